//! The containers' trait: records of what runs or ran, which keep their snapshots alive. A store
//! keeps them; to run them is the work of whoever makes them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use crate::digest::Digest;
use crate::error::Result;
use crate::filter::Fields;
use crate::labels::{IMAGE, Labels};
use crate::mask::Mask;
use crate::scope::Scope;
use crate::time::Timestamp;

/// The records of containers (containerd.services.containers.v1).
#[async_trait]
pub trait Containers: Send + Sync {
    /// NotFound where there is none.
    async fn get(&self, scope: &Scope, id: &str) -> Result<Container>;

    /// The namespace's containers that match any of `filters`, by id.
    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Container>>;

    /// AlreadyExists where the id is taken; InvalidArgument where it is no identifier.
    async fn create(&self, scope: &Scope, container: &Container) -> Result<Container>;

    /// Replaces what `mask` names of `labels`, `spec`, `extensions`, `image`, `snapshotkey`; another
    /// path is InvalidArgument. NotFound where there is none.
    async fn update(&self, scope: &Scope, container: &Container, mask: &Mask) -> Result<Container>;

    /// NotFound where there is none.
    async fn delete(&self, scope: &Scope, id: &str) -> Result<()>;
}

/// A typed value, as protobuf's Any carries it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Any {
    pub type_url: String,
    pub value: Bytes,
}

/// A container's record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Container {
    pub id: String,
    pub labels: Labels,
    /// The image's name; may be empty.
    pub image: String,
    pub runtime: Runtime,
    /// The OCI runtime spec.
    pub spec: Option<Any>,
    /// Of the root file system; empty for none.
    pub snapshotter: String,
    pub snapshot_key: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub extensions: BTreeMap<String, Any>,
}

/// Whether a container with this image and these labels was made of the image `name` at `target`.
/// By its label, where it has one; else its image must be that name, or the digest.
pub fn is_of(image: &str, labels: &Labels, name: &str, target: &Digest) -> bool {
    match labels.get(IMAGE) {
        Some(digest) => *digest == target.to_string(),
        None => image == name || image == target.to_string(),
    }
}

impl Container {
    /// See [`is_of`].
    pub fn is_of(&self, name: &str, target: &Digest) -> bool {
        is_of(&self.image, &self.labels, name, target)
    }

    /// Takes from `new` what `mask` names, but for labels, which have a rule of their own
    /// ([`Mask::apply_labels`]).
    pub fn replace(&mut self, new: &Self, mask: &Mask) {
        if mask.has("spec") {
            self.spec.clone_from(&new.spec);
        }
        if mask.has("extensions") {
            self.extensions.clone_from(&new.extensions);
        }
        if mask.has("image") {
            self.image.clone_from(&new.image);
        }
        if mask.has("snapshotkey") {
            self.snapshot_key.clone_from(&new.snapshot_key);
        }
    }
}

/// Who runs it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Runtime {
    pub name: String,
    pub options: Option<Any>,
}

impl Fields for Container {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["id"] => Some(self.id.as_str().into()),
            ["image"] => Some(self.image.as_str().into()),
            ["runtime", "name"] => Some(self.runtime.name.as_str().into()),
            ["labels", key @ ..] => crate::filter::label(&self.labels, key),
            _ => None,
        }
    }
}
