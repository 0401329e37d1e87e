//! Manifests, indexes and configs, as registries and archives have them.

use varve_core::oci::{Bounds, Document, ImageConfig};
use varve_core::{ChainId, Descriptor, MediaType};

const KINDS: [MediaType; 4] =
    [MediaType::OciManifest, MediaType::OciIndex, MediaType::DockerManifest, MediaType::DockerList];

/// The bytes as each kind of document, as a config, and as a descriptor.
pub fn documents(data: &[u8]) {
    let bounds = Bounds { document: 64 << 10, layers: 8, children: 8, ..Bounds::default() };
    let read: Vec<bool> = KINDS.iter().map(|kind| document(kind, data, &bounds)).collect();
    let both = (read[0] || read[2]) && (read[1] || read[3]);
    assert!(!both, "no document is a manifest and an index");
    config(data, &bounds);
    if let Ok(one) = serde_json::from_slice::<Descriptor>(data) {
        descriptor(&one);
    }
}

fn document(kind: &MediaType, data: &[u8], bounds: &Bounds) -> bool {
    let Ok(document) = Document::parse(kind, data, bounds) else { return false };
    assert!(data.len() as u64 <= bounds.document);
    assert_eq!(matches!(document, Document::Index(_)), kind.is_index());
    assert!(document.children().len() <= 9);
    document.children().into_iter().for_each(descriptor);
    true
}

/// What is written of a descriptor is read as the same.
fn descriptor(descriptor: &Descriptor) {
    let text = serde_json::to_string(descriptor).unwrap();
    assert_eq!(&serde_json::from_str::<Descriptor>(&text).unwrap(), descriptor);
    let _ = descriptor.media_type.layer();
}

fn config(data: &[u8], bounds: &Bounds) {
    let Ok(config) = ImageConfig::parse(data, bounds) else { return };
    let _ = (config.author(), config.history(), config.labels().count());
    assert!(config.platform().agrees(&config.platform()));
    assert_eq!(ChainId::chain(&config.rootfs.diff_ids).len(), config.rootfs.diff_ids.len());
}
