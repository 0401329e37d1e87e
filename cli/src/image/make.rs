//! Manifests that are made here: the same parts give the same bytes each time.

use bytes::Bytes;
use serde_json::json;
use varve_core::oci::Compression;
use varve_core::{Descriptor, Digest, Error, MediaType, Result};

/// Whose media types an image has: the two are not mixed within one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    Oci,
    Docker,
}

impl Family {
    /// That of a manifest.
    pub fn of(manifest: &MediaType) -> Self {
        match manifest {
            MediaType::DockerManifest => Self::Docker,
            _ => Self::Oci,
        }
    }

    pub fn manifest(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OciManifest,
            Self::Docker => MediaType::DockerManifest,
        }
    }

    pub fn config(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OciConfig,
            Self::Docker => MediaType::DockerConfig,
        }
    }

    /// A layer, which every tool that knows the family reads.
    pub fn layer(self) -> MediaType {
        match self {
            Self::Oci => MediaType::OciLayer(Compression::Gzip),
            Self::Docker => MediaType::DockerLayer(Compression::Gzip),
        }
    }
}

/// The manifest of an image, and where it will be found.
pub fn manifest(
    family: Family,
    config: &Descriptor,
    layers: &[Descriptor],
) -> Result<(Descriptor, Bytes)> {
    let kind = family.manifest();
    let manifest =
        json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
    let bytes = serde_json::to_vec(&manifest)
        .map_err(|error| Error::internal("a manifest as JSON").with_source(error))?;
    let descriptor = Descriptor::new(kind, Digest::of(&bytes), bytes.len() as u64);
    Ok((descriptor, bytes.into()))
}
