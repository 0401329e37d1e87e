//! Docker's manifests as OCI's: skopeo and umoci read no others in a layout.
//!
//! The same config and layers under OCI's media types, in a manifest of another digest. Its file
//! stands among the blobs without a record: it is no content, only what an entry of `index.json`
//! points to, and goes at the first collection after that entry.

use std::fs::File;
use std::io::Write;

use serde::Serialize;
use varve_core::oci::{Document, Manifest};
use varve_core::{Descriptor, Digest, Error, MediaType, Result};

use super::document;
use crate::layout::{Layout, at};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Oci {
    schema_version: u32,
    media_type: MediaType,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// The OCI manifest for a Docker manifest, its file written where it is not there; `None` where the
/// entry needs none or has something that OCI has no name for.
pub fn derive(layout: &Layout, entry: &Descriptor) -> Result<Option<Descriptor>> {
    if entry.media_type != MediaType::DockerManifest {
        return Ok(None);
    }
    let Some(Document::Manifest(manifest)) = document(layout, entry) else { return Ok(None) };
    let Some(oci) = translate(manifest) else { return Ok(None) };
    let internal = |error| Error::internal("a manifest cannot be written").with_source(error);
    let bytes = serde_json::to_vec(&oci).map_err(internal)?;
    let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
    if layout.blob_size(&digest) != Some(size) {
        write(layout, &digest, &bytes)?;
    }
    let (media_type, derived) = (MediaType::OciManifest, entry.clone());
    Ok(Some(Descriptor { media_type, digest, size, ..derived }))
}

fn translate(manifest: Manifest) -> Option<Oci> {
    let layer = |layer: Descriptor| {
        let media_type = MediaType::OciLayer(layer.media_type.layer()?);
        Some(Descriptor { media_type, ..layer })
    };
    if !matches!(manifest.config.media_type, MediaType::DockerConfig | MediaType::OciConfig) {
        return None;
    }
    Some(Oci {
        schema_version: 2,
        media_type: MediaType::OciManifest,
        config: Descriptor { media_type: MediaType::OciConfig, ..manifest.config },
        layers: manifest.layers.into_iter().map(layer).collect::<Option<_>>()?,
    })
}

/// Written beside, synced, and put in place as a blob is.
fn write(layout: &Layout, digest: &Digest, bytes: &[u8]) -> Result<()> {
    let beside = layout.ingests().join(format!("derived-{}", digest.hex()));
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_data()
    });
    written.map_err(|error| at(&beside, error))?;
    layout.place(&beside, digest).map(drop)
}
