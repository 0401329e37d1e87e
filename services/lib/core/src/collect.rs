//! The collector's traits: who refers to what, who counts it, and who removes what nothing refers to.
//!
//! The content store is the only collector. Each snapshotter attends it: at each collection it
//! freezes a generation and tells its nodes; the collector marks; the snapshotter then removes, leaf
//! first, those of that generation that were not marked. What is newer than the generation lives.
//! While a snapshotter is known but absent, its snapshots and all that they refer to live.

use std::sync::Arc;

use async_trait::async_trait;

use crate::digest::Digest;
use crate::error::Result;
use crate::labels::Labels;
use crate::scope::{Namespace, Scope};

/// Reference counts and collection (varve.content.v1).
#[async_trait]
pub trait Collector: Send + Sync {
    /// The number of stored edges to `digest` in this namespace: from labels, images, leases.
    async fn references(&self, scope: &Scope, digest: &Digest) -> Result<u64>;

    /// Counts every edge anew from the records and compares with the stored ones. Empty is right;
    /// otherwise a line a difference.
    async fn recount(&self) -> Result<Vec<String>>;

    /// Marks from the roots of every namespace and removes what is left: blobs, ingests idle for
    /// more than a day, expired leases, snapshots. With `dry_run` only tells.
    async fn collect(&self, dry_run: bool) -> Result<Collected>;

    /// Removes what nothing refers to any more of `digests` and all that they lead to, in this
    /// namespace: for what was just let go, at the cost of what that is. May leave to
    /// [`Collector::collect`] what only leases have held, and may do all of its work.
    async fn collect_below(&self, scope: &Scope, digests: &[Digest]) -> Result<Collected>;

    /// Makes `attendee` take part in every collection from now on, under its snapshotter's name.
    /// The name is remembered over restarts.
    async fn attend(&self, name: &str, attendee: Arc<dyn Attendee>) -> Result<()>;
}

/// A snapshotter, as the collector sees it.
#[async_trait]
pub trait Attendee: Send + Sync {
    /// Freezes a generation and tells every snapshot there is, of every namespace.
    async fn freeze(&self) -> Result<Frozen>;

    /// Removes these of the frozen generation, children before parents; what is newer, gone
    /// already, or has got a child since is left alone. Also removes staged directories that no
    /// unpack of this process owns. Answers the bytes that came free.
    async fn remove(&self, generation: u64, doomed: Vec<(Namespace, String)>) -> Result<u64>;
}

/// A snapshotter's nodes at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frozen {
    pub generation: u64,
    pub nodes: Vec<Node>,
}

/// A snapshot in the graph of references.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub namespace: Namespace,
    pub key: String,
    pub parent: Option<String>,
    /// Those that begin with `containerd.io/gc.`.
    pub labels: Labels,
    /// Bytes on disk, where they are known.
    pub size: u64,
}

/// What a collection removed, or would remove.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Collected {
    pub blobs: Vec<(Namespace, Digest)>,
    pub ingests: Vec<(Namespace, String)>,
    pub leases: Vec<(Namespace, String)>,
    /// Snapshotter, namespace, key.
    pub snapshots: Vec<(String, Namespace, String)>,
    /// Bytes that came free on disk.
    pub bytes: u64,
}
