//! What documents refer to, as the labels that are the edges of containerd's graph.

use varve_core::labels::GC_REF_CONTENT;
use varve_core::oci::{Document, Index, Manifest};
use varve_core::{Descriptor, Labels};

/// Of any document.
pub fn of(document: &Document) -> Labels {
    match document {
        Document::Index(index) => of_index(index),
        Document::Manifest(manifest) => of_manifest(manifest),
    }
}

/// To all children, whether they are here or not.
pub fn of_index(index: &Index) -> Labels {
    numbered("m", &index.manifests)
}

/// To the config and the layers.
pub fn of_manifest(manifest: &Manifest) -> Labels {
    let mut labels = numbered("l", &manifest.layers);
    labels.insert(format!("{GC_REF_CONTENT}.config"), manifest.config.digest.to_string());
    labels
}

fn numbered(kind: &str, blobs: &[Descriptor]) -> Labels {
    let label = |(n, blob): (usize, &Descriptor)| {
        (format!("{GC_REF_CONTENT}.{kind}.{n}"), blob.digest.to_string())
    };
    blobs.iter().enumerate().map(label).collect()
}
