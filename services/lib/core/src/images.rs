//! The images' trait: names that point to content.

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::filter::Fields;
use crate::labels::{DANGLING, Labels, MOUNT_TARGET};
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

    /// Takes a name from an image, in one transaction with the look at who uses it: an image is
    /// used by each container that [`is_of`](crate::containers::Container::is_of) it, running or not,
    /// and by each `varve mount` of it. While others name it too, the name alone goes. NotFound where
    /// there is none of that name; FailedPrecondition, naming the users, where it is the last name of an
    /// image in use. With `force` such a name goes nevertheless and leaves `varve.dangling@<digest>`;
    /// the image stays, so that a name of that form is refused still.
    async fn remove(&self, scope: &Scope, removal: Removal) -> Result<Removed>;
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

/// What [`Images::remove`] takes away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removal {
    pub name: String,
    pub force: bool,
}

/// What [`Images::remove`] took away, and what is left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removed {
    pub image: Image,
    /// Other names of the same target, sorted; a name that keeps a dangling image is one.
    pub left: Vec<String>,
}

/// Who keeps an image from being removed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum User {
    /// Its id.
    Container(String),
    /// The directory that it is mounted on.
    Mount(String),
}

impl User {
    /// The mount that a lease with these labels stands for.
    pub fn of_lease(labels: &Labels) -> Option<Self> {
        labels.get(MOUNT_TARGET).cloned().map(Self::Mount)
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(id) => write!(f, "container {id}"),
            Self::Mount(dir) => write!(f, "the mount on {dir}"),
        }
    }
}

/// The refusal of [`Images::remove`].
pub fn in_use(name: &str, users: &[User]) -> Error {
    let users: Vec<String> = users.iter().map(ToString::to_string).collect();
    let users = users.join(", ");
    Error::precondition(format!(
        "image {name} is in use by {users}; remove or unmount that first, or force the name alone to go"
    ))
}

/// The name that keeps an image which nothing else names.
pub fn dangling(digest: &Digest) -> String {
    format!("{DANGLING}{digest}")
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
