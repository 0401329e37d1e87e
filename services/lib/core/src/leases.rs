//! The leases' trait: what keeps new things alive until something lasting refers to them.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::filter::Fields;
use crate::labels::{GC_EXPIRE, Labels};
use crate::scope::Scope;
use crate::time::Timestamp;

/// The records of leases (containerd.services.leases.v1), and Varve's own [`Leases::renew`].
///
/// Whatever a request under a lease creates or touches is added to that lease *first*, so that
/// there is no moment in which it could be collected.
#[async_trait]
pub trait Leases: Send + Sync {
    /// An empty `id` is replaced by one of the server's making. AlreadyExists where it is taken.
    /// The label `containerd.io/gc.expire` ends it.
    async fn create(&self, scope: &Scope, id: &str, labels: &Labels) -> Result<Lease>;

    /// Moves the end of a lease to `from_now`. NotFound where it is gone already.
    async fn renew(&self, scope: &Scope, id: &str, from_now: Duration) -> Result<Lease>;

    /// What it held may be collected from now on. NotFound where there is none.
    async fn delete(&self, scope: &Scope, id: &str) -> Result<()>;

    /// The namespace's leases that match any of `filters`, by id.
    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Lease>>;

    /// Idempotent. NotFound where the lease is not; the resource need not be.
    async fn add_resource(&self, scope: &Scope, id: &str, resource: &Resource) -> Result<()>;

    /// Idempotent. NotFound where the lease is not.
    async fn delete_resource(&self, scope: &Scope, id: &str, resource: &Resource) -> Result<()>;

    async fn list_resources(&self, scope: &Scope, id: &str) -> Result<Vec<Resource>>;
}

/// A lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    pub id: String,
    pub created_at: Timestamp,
    pub labels: Labels,
}

/// When a lease with these labels ends; `None` for never, as containerd takes a time that it cannot read.
pub fn expiry(labels: &Labels) -> Option<Timestamp> {
    labels.get(GC_EXPIRE)?.parse().ok()
}

/// What a lease can hold, in containerd's words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Resource {
    /// `content`, `ingests`, or `snapshots/<snapshotter>`.
    pub kind: String,
    /// A digest, a ref, a key.
    pub id: String,
}

impl Resource {
    pub fn content(digest: &crate::Digest) -> Self {
        Self { kind: "content".into(), id: digest.to_string() }
    }

    pub fn ingest(ingest: &str) -> Self {
        Self { kind: "ingests".into(), id: ingest.into() }
    }

    pub fn snapshot(snapshotter: &str, key: &str) -> Self {
        Self { kind: format!("snapshots/{snapshotter}"), id: key.into() }
    }
}

impl Fields for Lease {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["id"] => Some(self.id.as_str().into()),
            ["labels", key @ ..] => crate::filter::label(&self.labels, key),
            _ => None,
        }
    }
}
