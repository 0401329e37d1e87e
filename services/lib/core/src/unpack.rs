//! The unpacker's trait: a verified layer becomes a committed snapshot (varve.snapshots.v1).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::digest::{ChainId, DiffId};
use crate::error::Result;
use crate::oci::Descriptor;
use crate::scope::Scope;
use crate::snapshots::Usage;

/// Turns layers into snapshots named by their chain ids.
#[async_trait]
pub trait Unpacker: Send + Sync {
    /// Follows the layer's bytes from the content store, whether they are there or still arriving,
    /// checks them against both digests, and publishes the tree as the snapshot
    /// [`Layer::chain_id`] on its parent. Layers of one image may be asked for all at once: one
    /// whose parent is not published yet waits for it. Asked for twice at once, a chain id is
    /// unpacked once; where it is here already, nothing is done and `reused` says so.
    ///
    /// FailedPrecondition where the uncompressed bytes hash to another diff id; InvalidArgument
    /// where the archive is refused. Dropping the future stops the work and removes what it staged.
    async fn unpack(&self, scope: &Scope, layer: Layer, progress: Progress) -> Result<Unpacked>;
}

/// A layer to be unpacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layer {
    /// The blob: its distribution digest, size and media type.
    pub blob: Descriptor,
    pub diff_id: DiffId,
    /// The stack below; `None` for the lowest layer.
    pub parent: Option<ChainId>,
}

impl Layer {
    /// The snapshot that it becomes.
    pub fn chain_id(&self) -> ChainId {
        ChainId::stack(self.parent, self.diff_id)
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unpacked {
    pub chain_id: ChainId,
    /// It was here before.
    pub reused: bool,
    pub usage: Usage,
    /// What could not be set on this machine (a device without root, an owner), a line each.
    pub notices: Vec<String>,
}

/// Told of the compressed bytes that have been unpacked so far, of the blob's size.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(u64) + Send + Sync>);

impl Progress {
    pub fn new(tell: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// For callers that do not look.
    pub fn ignored() -> Self {
        Self::new(|_| {})
    }

    pub fn tell(&self, bytes: u64) {
        (self.0)(bytes);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
