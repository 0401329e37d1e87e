//! The differ's trait: what containerd's clients unpack with.

use async_trait::async_trait;

use crate::error::Result;
use crate::mount::Mount;
use crate::oci::Descriptor;
use crate::scope::Scope;

/// Applies layers to mounts (containerd.services.diff.v1).
#[async_trait]
pub trait Diff: Send + Sync {
    /// Applies the layer `blob`, which must be in the content store, to what `mounts` describe, and
    /// answers the descriptor of its uncompressed tar (its digest is the diff id). Only the mounts
    /// of a known active snapshot are accepted: another path is InvalidArgument.
    async fn apply(&self, scope: &Scope, blob: &Descriptor, mounts: &[Mount])
    -> Result<Descriptor>;
}
