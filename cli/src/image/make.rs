//! Manifests that are made here: the same parts give the same bytes each time.

use bytes::Bytes;
use serde_json::json;
use varve_core::{Descriptor, Digest, Error, MediaType, Result};

/// The manifest of an image, and where it will be found.
pub fn manifest(config: &Descriptor, layers: &[Descriptor]) -> Result<(Descriptor, Bytes)> {
    let kind = MediaType::OciManifest;
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
    let bytes = serde_json::to_vec(&manifest)
        .map_err(|error| Error::internal("a manifest as JSON").with_source(error))?;
    let descriptor = Descriptor::new(kind, Digest::of(&bytes), bytes.len() as u64);
    Ok((descriptor, bytes.into()))
}
