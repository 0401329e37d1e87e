//! The files that say what an archive holds: `index.json` and `oci-layout` (image-spec, image-layout.md), and
//! Docker's `manifest.json`.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use varve_core::{Descriptor, Error, MediaType, Reference, Result};

use super::contents::{Contents, Saved};
use super::{Files, Format};
use crate::archive::{IMAGE_NAME, REF_NAME, blob_name};

/// What an archive of that format has beside its blobs.
pub fn of(contents: &Contents, format: Format) -> Result<Files> {
    let mut files = Files::new();
    if format.is_layout() {
        files.insert("index.json", json(&index(contents))?);
        files.insert("oci-layout", json(&json!({"imageLayoutVersion": "1.0.0"}))?);
    }
    if format.is_docker() {
        let images: Vec<Docker> = contents.images.iter().map(Docker::of).collect();
        files.insert("manifest.json", json(&images)?);
    }
    Ok(files)
}

/// An entry a name; one without names where an image has none.
fn index(contents: &Contents) -> Value {
    let manifests: Vec<Descriptor> = contents.images.iter().flat_map(entries).collect();
    json!({"schemaVersion": 2, "mediaType": MediaType::OciIndex, "manifests": manifests})
}

fn entries(saved: &Saved) -> Vec<Descriptor> {
    let plain = &saved.target;
    let plain = Descriptor::new(plain.media_type.clone(), plain.digest, plain.size);
    if saved.names.is_empty() {
        return vec![plain];
    }
    saved.names.iter().map(|name| named(&plain, name)).collect()
}

/// With containerd's annotation, which is the whole name, and the specification's, which Docker and
/// containerd give the tag alone.
fn named(target: &Descriptor, name: &Reference) -> Descriptor {
    let mut named = target.clone();
    named.annotations.insert(IMAGE_NAME.into(), name.to_string());
    if let Some(tag) = name.tag() {
        named.annotations.insert(REF_NAME.into(), tag.into());
    }
    named
}

/// An image of `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    config: String,
    /// null where there are none, as Go writes it.
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Docker {
    fn of(saved: &Saved) -> Self {
        // Docker takes no digest for a tag.
        let tagged = saved.names.iter().filter(|name| name.digest().is_none());
        let tags: Vec<String> = tagged.map(Reference::familiar).collect();
        Self {
            config: blob_name(&saved.image.id()),
            repo_tags: Some(tags).filter(|tags| !tags.is_empty()),
            layers: saved.image.layers.iter().map(|it| blob_name(&it.blob.digest)).collect(),
        }
    }
}

fn json(document: &impl Serialize) -> Result<Bytes> {
    let bytes = serde_json::to_vec(document);
    let failed = |error| Error::internal("a document as JSON").with_source(error);
    Ok(bytes.map_err(failed)?.into())
}
