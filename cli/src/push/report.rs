//! What a push says: its last line, and its JSON.

use serde::Serialize;
use varve_core::{Descriptor, Reference};

use super::blobs::Fate;
use super::reduce::Node;

/// What came of a push.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Pushed {
    /// Canonical.
    pub name: String,
    #[serde(skip)]
    tag: String,
    /// What the tag points to at the registry now.
    pub digest: String,
    pub media_type: String,
    /// Bytes of that document.
    pub size: u64,
    pub layers: Vec<Layer>,
    /// Platforms of the index here that were not pushed, as they are not here.
    pub left: Vec<String>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    pub digest: String,
    pub size: u64,
    /// `exists`, `mounted` or `pushed`.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounted_from: Option<String>,
}

impl Pushed {
    pub fn new(
        to: &Reference,
        node: &Node,
        layers: &[Descriptor],
        fates: Vec<Fate>,
        left: Vec<String>,
    ) -> Self {
        Self {
            name: to.to_string(),
            tag: to.tag().unwrap_or_default().to_owned(),
            digest: node.descriptor.digest.to_string(),
            media_type: node.descriptor.media_type.to_string(),
            size: node.descriptor.size,
            layers: layers.iter().zip(fates).map(|(blob, fate)| Layer::of(blob, fate)).collect(),
            left,
        }
    }

    /// Docker's last line.
    pub fn line(&self) -> String {
        format!("{}: digest: {} size: {}", self.tag, self.digest, self.size)
    }
}

impl Layer {
    fn of(blob: &Descriptor, fate: Fate) -> Self {
        let status = match fate {
            Fate::Exists => "exists",
            Fate::Mounted(_) => "mounted",
            Fate::Pushed => "pushed",
        };
        let mounted_from = match fate {
            Fate::Mounted(from) => Some(from),
            _ => None,
        };
        Self { digest: blob.digest.to_string(), size: blob.size, status, mounted_from }
    }
}
