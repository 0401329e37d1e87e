//! The words that several services share, to the wire and back. What comes from the wire is checked
//! here: a digest is a digest from here on.

use std::collections::{BTreeMap, HashMap};

use prost_types::{FieldMask, Timestamp as WireTimestamp};
use varve_core::{Descriptor, Digest, Error, Labels, Mask, MediaType, Mount, Result, Timestamp};
use varve_proto::containerd::types;

/// RFC 3339 has years to 9999, and so have both.
pub fn timestamp(time: Timestamp) -> WireTimestamp {
    WireTimestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

/// The epoch where none is given.
pub fn from_timestamp(time: Option<WireTimestamp>) -> Result<Timestamp> {
    let WireTimestamp { seconds, nanos } = time.unwrap_or_default();
    Timestamp::new(seconds, nanos)
        .map_err(|error| Error::invalid("a time that is none").with_source(error))
}

pub fn labels(labels: &Labels) -> HashMap<String, String> {
    labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub fn from_labels(labels: HashMap<String, String>) -> Labels {
    labels.into_iter().collect()
}

/// `update_mask`: absent is everything, as containerd reads it.
pub fn from_mask(mask: Option<FieldMask>, fields: &[&str]) -> Result<Mask> {
    Mask::parse(&mask.unwrap_or_default().paths, fields)
}

pub fn mask(mask: &Mask) -> FieldMask {
    FieldMask { paths: mask.paths() }
}

pub fn from_digest(digest: &str) -> Result<Digest> {
    digest.parse()
}

/// `None` for the empty string, which is protobuf's way to say nothing.
pub fn from_optional_digest(digest: &str) -> Result<Option<Digest>> {
    if digest.is_empty() { Ok(None) } else { digest.parse().map(Some) }
}

/// The text of what may be missing.
pub fn optional(text: Option<impl ToString>) -> String {
    text.map_or_else(String::new, |text| text.to_string())
}

pub fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub fn descriptor(descriptor: &Descriptor) -> types::Descriptor {
    types::Descriptor {
        media_type: descriptor.media_type.to_string(),
        digest: descriptor.digest.to_string(),
        size: signed(descriptor.size),
        annotations: descriptor.annotations.clone().into_iter().collect(),
    }
}

pub fn from_descriptor(wire: Option<types::Descriptor>) -> Result<Descriptor> {
    let wire = wire.ok_or_else(|| Error::invalid("a descriptor is missing"))?;
    let annotations: BTreeMap<_, _> = wire.annotations.into_iter().collect();
    let media_type = MediaType::from(wire.media_type);
    let size = unsigned("the size of a descriptor", wire.size)?;
    Ok(Descriptor { annotations, ..Descriptor::new(media_type, wire.digest.parse()?, size) })
}

pub fn mount(mount: Mount) -> types::Mount {
    types::Mount {
        r#type: mount.kind,
        source: mount.source,
        target: mount.target,
        options: mount.options,
    }
}

pub fn from_mount(wire: types::Mount) -> Mount {
    Mount { kind: wire.r#type, source: wire.source, target: wire.target, options: wire.options }
}

/// Sizes are signed on containerd's wire.
pub fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// InvalidArgument, naming the noun, for what is less than nothing.
pub fn unsigned(noun: &str, bytes: i64) -> Result<u64> {
    u64::try_from(bytes).map_err(|_| Error::invalid(format!("{noun} is {bytes}, less than 0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_survives_the_trip_and_is_checked() {
        let media_type = MediaType::from("application/x".to_owned());
        let mut there = Descriptor::new(media_type, Digest::of(b"x"), 1);
        there.annotations.insert("a".into(), "b".into());
        let wire = descriptor(&there);
        assert_eq!(from_descriptor(Some(wire.clone())).unwrap(), there);
        let negative = types::Descriptor { size: -1, ..wire.clone() };
        assert!(from_descriptor(Some(negative)).is_err());
        let path = types::Descriptor { digest: "sha256:../../x".into(), ..wire };
        assert!(from_descriptor(Some(path)).is_err());
        assert!(from_descriptor(None).is_err());
    }

    #[test]
    fn a_time_keeps_its_nanoseconds() {
        let time: Timestamp = "2026-11-25T12:00:00.123456789Z".parse().unwrap();
        assert_eq!(from_timestamp(Some(timestamp(time))).unwrap(), time);
        let wild = WireTimestamp { seconds: i64::MAX, nanos: 0 };
        assert!(from_timestamp(Some(wild)).is_err());
    }

    #[test]
    fn a_mask_survives_the_trip() {
        let there = Mask::parse(&["labels.a/b.c", "target"], &["target"]).unwrap();
        assert_eq!(from_mask(Some(mask(&there)), &["target"]).unwrap(), there);
        assert_eq!(from_mask(None, &[]).unwrap(), Mask::all());
    }
}
