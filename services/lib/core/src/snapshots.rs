//! The snapshots' trait: stacks of directory trees, copy-on-write.

use std::borrow::Cow;
use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::filter::Fields;
use crate::labels::Labels;
use crate::mask::Mask;
use crate::mount::Mount;
use crate::scope::Scope;
use crate::time::Timestamp;

/// The graph of one driver's snapshots (containerd.services.snapshots.v1).
///
/// Keys and names share one space in each namespace. An active snapshot can be written and
/// committed, a view only read; a committed one is never written again and can be a parent.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// NotFound where there is none of that key.
    async fn stat(&self, scope: &Scope, key: &str) -> Result<Info>;

    /// Replaces labels, raises `updated_at`. Nothing but labels is mutable.
    async fn update(&self, scope: &Scope, key: &str, labels: &Labels, mask: &Mask) -> Result<Info>;

    /// What the snapshot itself costs, parents not counted: walked for an active one, stored at
    /// commit for a committed one.
    async fn usage(&self, scope: &Scope, key: &str) -> Result<Usage>;

    /// How to mount an active snapshot or a view. FailedPrecondition for a committed one.
    async fn mounts(&self, scope: &Scope, key: &str) -> Result<Vec<Mount>>;

    /// A new active snapshot on `parent` (none: on nothing). AlreadyExists where the key is used,
    /// NotFound where the parent is not, InvalidArgument where it is not committed. Under a lease
    /// it is added to the lease first.
    async fn prepare(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>>;

    /// The same, to be read only.
    async fn view(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>>;

    /// Turns the active snapshot `key` into the committed one `name`. AlreadyExists where the name
    /// is used, FailedPrecondition where the key is not active.
    async fn commit(&self, scope: &Scope, name: &str, key: &str, labels: &Labels) -> Result<()>;

    /// FailedPrecondition ("cannot remove snapshot with child") while another is stacked on it.
    async fn remove(&self, scope: &Scope, key: &str) -> Result<()>;

    /// The namespace's snapshots that match any of `filters`, by key.
    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>>;
}

/// What a snapshot can be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    View,
    Active,
    Committed,
}

impl Kind {
    /// As `ctr snapshots ls` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "View",
            Self::Active => "Active",
            Self::Committed => "Committed",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The stored facts of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Info {
    pub kind: Kind,
    /// Its key, or its name once committed.
    pub name: String,
    pub parent: Option<String>,
    pub labels: Labels,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What a snapshot costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Bytes on disk.
    pub size: u64,
    /// Hard links counted once.
    pub inodes: u64,
}

/// A snapshot to be made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewSnapshot {
    pub key: String,
    pub parent: Option<String>,
    pub labels: Labels,
}

impl Fields for Info {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["kind"] => Some(self.kind.as_str().to_lowercase().into()),
            ["name"] => Some(self.name.as_str().into()),
            ["parent"] => self.parent.as_deref().map(Cow::from),
            ["labels", key @ ..] => crate::filter::label(&self.labels, key),
            _ => None,
        }
    }
}
