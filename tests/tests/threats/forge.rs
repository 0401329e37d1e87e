//! Images whose documents say what no tool would.

use serde_json::{Value, json};
use varve_core::{Digest, MediaType, Platform};
use varve_tests::image::{Content, config};
use varve_tests::layer::Layer;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The parts of an image, as they should be.
pub struct Parts {
    pub tar: Vec<u8>,
    pub config: Vec<u8>,
}

impl Parts {
    pub fn new() -> Self {
        Self::of(Layer::new().dir("etc/", 0o755).file("etc/motd", 0o644, b"good\n").finish(), 1)
    }

    /// An image of the same layer `times` times.
    pub fn of(tar: Vec<u8>, times: usize) -> Self {
        let config = config(&Platform::host(), &vec![tar.clone(); times], json!({"Cmd": ["sh"]}));
        Self { tar, config: serde_json::to_vec(&config).unwrap() }
    }

    pub fn layer(&self) -> Value {
        descriptor(LAYER, &self.tar)
    }

    /// The manifest, which may then be changed.
    pub fn manifest(&self) -> Value {
        let config = descriptor(CONFIG, &self.config);
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [self.layer()]})
    }

    /// Both blobs, with this as the document that the tag is for.
    pub fn under(&self, kind: &str, document: Vec<u8>) -> Content {
        let blobs = vec![self.tar.clone(), self.config.clone()];
        Content { blobs, manifests: vec![(MediaType::from(kind), document)] }
    }

    /// The same with another config.
    pub fn with_config(self, config: Value) -> Self {
        Self { config: serde_json::to_vec(&config).unwrap(), ..self }
    }
}

pub fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len()})
}

pub fn bytes(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).unwrap()
}

/// A document with one place of it changed.
pub fn with(mut document: Value, place: &str, value: Value) -> Vec<u8> {
    *document.pointer_mut(place).unwrap() = value;
    bytes(&document)
}

/// The same with a key more.
pub fn and(mut document: Value, key: &str, value: Value) -> Vec<u8> {
    document[key] = value;
    bytes(&document)
}

/// An index of these children.
pub fn index(children: &[Value]) -> Vec<u8> {
    bytes(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}))
}
