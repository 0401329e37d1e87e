//! The images' trait: names that point to content.

use std::borrow::Cow;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::Result;
use crate::filter::Fields;
use crate::labels::Labels;
use crate::mask::Mask;
use crate::oci::Descriptor;
use crate::scope::Scope;
use crate::time::Timestamp;

/// The records of images (containerd.services.images.v1), and Varve's own [`Images::record`].
#[async_trait]
pub trait Images: Send + Sync {
    /// NotFound where there is none of that name.
    async fn get(&self, scope: &Scope, name: &str) -> Result<Image>;

    /// The namespace's images that match any of `filters`, by name.
    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Image>>;

    /// AlreadyExists where the name is taken. Times of the argument are ignored.
    async fn create(&self, scope: &Scope, image: &Image) -> Result<Image>;

    /// Replaces what `mask` names (`target`, `labels`, `labels.*`). NotFound where there is none.
    /// Leaves no dangling record, as containerd does not.
    async fn update(&self, scope: &Scope, image: &Image, mask: &Mask) -> Result<Image>;

    /// Removes the record; never refuses. NotFound where there is none.
    async fn delete(&self, scope: &Scope, name: &str) -> Result<()>;

    /// What a pull ends with, in one transaction: the labels are merged into the blobs' own, and the
    /// name points to the target. Where the name pointed elsewhere and nothing else names that
    /// image, `varve.dangling@<digest>` keeps it; such a record of the new target goes, since it is
    /// named again. Answers what the name was before. Idempotent.
    async fn record(&self, scope: &Scope, record: Record) -> Result<Option<Image>>;
}

/// A name and its target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// Canonical, such as `docker.io/library/alpine:latest`.
    pub name: String,
    pub target: Descriptor,
    pub labels: Labels,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Image {
    /// An image that is about to be stored.
    pub fn new(name: impl Into<String>, target: Descriptor) -> Self {
        let now = crate::time::now();
        let labels = Labels::new();
        Self { name: name.into(), target, labels, created_at: now, updated_at: now }
    }
}

/// What [`Images::record`] writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub name: String,
    pub target: Descriptor,
    /// Merged into the labels of these blobs, which must be here: the edges of the graph.
    pub content_labels: Vec<(Digest, Labels)>,
}

impl Fields for Image {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["name"] => Some(self.name.as_str().into()),
            ["target", "digest"] => Some(self.target.digest.to_string().into()),
            ["target", "mediatype"] => Some(self.target.media_type.as_str().into()),
            ["labels", key @ ..] => crate::filter::label(&self.labels, key),
            ["annotations", key @ ..] => crate::filter::label(&self.target.annotations, key),
            _ => None,
        }
    }
}
