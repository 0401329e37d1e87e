//! Requests that make sense, for the corpus: every field of a message is filled by its name, and the
//! same name has the same value everywhere, so that calls one after the other meet.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use varve_core::Digest;
use varve_proto::DESCRIPTORS;

use super::{Call, Method, methods};

/// What the one blob of the seeds has: an archive of nothing.
pub const BLOB: [u8; 1024] = [0; 1024];

/// A call of a method by the end of its path, with one message for each of `actions`: what its
/// field `action` says. `with` are values of fields that are others than usual; fields that are
/// empty there are left out.
pub fn call(end: &str, actions: &[u64], with: &[(&str, &str)]) -> Call {
    let mut all = methods().iter().enumerate();
    let (number, method) = all.find(|(_, method)| method.path.ends_with(end)).expect("a method");
    let message = |action: &u64| fill(&takes(method), *action, with, 0);
    let messages = actions.iter().map(message).collect();
    Call { method: number as u8, leased: false, messages }
}

fn takes(method: &Method) -> String {
    let (service, name) = method.path[1..].rsplit_once('/').expect("a path of a method");
    let files = FileDescriptorSet::decode(DESCRIPTORS).expect("the descriptors are ours").file;
    let services = files.iter().flat_map(|file| {
        file.service.iter().map(move |one| (format!("{}.{}", file.package(), one.name()), one))
    });
    let mut services = services.filter(|(known, _)| known == service);
    let (_, service) = services.next().expect("the service of a method");
    let mut found = service.method.iter().filter(|one| one.name() == name);
    found.next().expect("a method of its service").input_type().to_owned()
}

/// All messages, by their full names with a dot before.
fn messages() -> &'static BTreeMap<String, DescriptorProto> {
    static ALL: OnceLock<BTreeMap<String, DescriptorProto>> = OnceLock::new();
    ALL.get_or_init(|| {
        let files = FileDescriptorSet::decode(DESCRIPTORS).expect("the descriptors are ours").file;
        let mut all = BTreeMap::new();
        for file in &files {
            add(&mut all, &format!(".{}", file.package()), &file.message_type);
        }
        all
    })
}

fn add(all: &mut BTreeMap<String, DescriptorProto>, within: &str, some: &[DescriptorProto]) {
    for message in some {
        let name = format!("{within}.{}", message.name());
        add(all, &name, &message.nested_type);
        all.insert(name, message.clone());
    }
}

fn fill(kind: &str, action: u64, with: &[(&str, &str)], depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chosen = Vec::new();
    for field in messages().get(kind).map_or(&[][..], |message| &message.field) {
        if let Some(one) = field.oneof_index {
            if chosen.contains(&one) {
                continue;
            }
            chosen.push(one);
        }
        put(&mut bytes, field, action, with, depth);
    }
    bytes
}

fn put(
    bytes: &mut Vec<u8>,
    field: &FieldDescriptorProto,
    action: u64,
    with: &[(&str, &str)],
    depth: usize,
) {
    let special = with.iter().find(|(name, _)| *name == field.name()).map(|(_, value)| *value);
    let number = field.number() as u32;
    let part = match field.r#type() {
        Type::Message if depth < 4 => fill(field.type_name(), action, with, depth + 1),
        Type::Message => return,
        Type::String | Type::Bytes => match special {
            Some(text) => text.as_bytes().to_vec(),
            None => text(field),
        },
        _ => {
            let value = special.map_or_else(|| scalar(field, action), |text| text.parse().unwrap());
            encode_key(number, WireType::Varint, bytes);
            return encode_varint(value, bytes);
        }
    };
    let message = field.r#type() == Type::Message;
    if part.is_empty() && !message {
        return;
    }
    encode_key(number, WireType::LengthDelimited, bytes);
    encode_varint(part.len() as u64, bytes);
    bytes.extend(part);
}

fn scalar(field: &FieldDescriptorProto, action: u64) -> u64 {
    match field.name() {
        "action" => action,
        "size" | "total" if action != 9 => BLOB.len() as u64,
        "seconds" => 1_700_000_000,
        _ => 0,
    }
}

fn text(field: &FieldDescriptorProto) -> Vec<u8> {
    let text = match field.name() {
        "digest" | "expected" | "diff_id" => return Digest::of(&BLOB).to_string().into_bytes(),
        "data" => return BLOB.to_vec(),
        "media_type" => "application/vnd.oci.image.layer.v1.tar",
        "reference" => "docker.io/library/alpine:latest",
        "filters" | "filter" => "labels.l==v",
        "paths" => "labels.l",
        "topic" => "/images/create",
        "key" => "key",
        "value" => "v",
        "parent" | "target" | "source" | "sandbox" | "below" => "",
        "snapshotter" => "native",
        "os" => "linux",
        "architecture" => "amd64",
        "type" => "bind",
        "host" => "docker.io",
        "ref" => "ref",
        "name" => "name",
        "namespace" => "default",
        other => other,
    };
    text.as_bytes().to_vec()
}
