//! What can be called: all that the wire's descriptors have.

use std::sync::OnceLock;

use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};
use varve_proto::DESCRIPTORS;

/// A method of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Method {
    /// `/containerd.services.content.v1.Content/Info`
    pub path: String,
    /// Its requests are a stream.
    pub takes_many: bool,
    /// So are its answers.
    pub gives_many: bool,
}

/// All methods, in the order of their paths.
pub fn methods() -> &'static [Method] {
    static ALL: OnceLock<Vec<Method>> = OnceLock::new();
    ALL.get_or_init(|| {
        let files = FileDescriptorSet::decode(DESCRIPTORS).expect("the descriptors are ours").file;
        let mut all: Vec<Method> = files
            .iter()
            .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
            .flat_map(|(package, service)| {
                let prefix = format!("/{package}.{}/", service.name());
                service.method.iter().map(move |one| method(&prefix, one))
            })
            .collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(all.len() < 128, "a method's number has seven bits");
        all
    })
}

fn method(prefix: &str, one: &MethodDescriptorProto) -> Method {
    Method {
        path: format!("{prefix}{}", one.name()),
        takes_many: one.client_streaming(),
        gives_many: one.server_streaming(),
    }
}
