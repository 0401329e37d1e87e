//! The namespaces' trait: rooms that share bytes and nothing else.

use async_trait::async_trait;

use crate::error::Result;
use crate::labels::Labels;
use crate::mask::Mask;
use crate::scope::Namespace;

/// The records of namespaces (containerd.services.namespaces.v1). One comes to be with the first
/// thing written in it; a record of its own is needed only for labels.
#[async_trait]
pub trait Namespaces: Send + Sync {
    /// The labels; empty for a namespace that nobody has made (as containerd answers).
    async fn get(&self, namespace: &Namespace) -> Result<Labels>;

    /// Those that were created or have something in them, by name.
    async fn list(&self) -> Result<Vec<(Namespace, Labels)>>;

    /// AlreadyExists where it was created before.
    async fn create(&self, namespace: &Namespace, labels: &Labels) -> Result<()>;

    /// Replaces labels. It is created where it was not, as by anything that is written in it.
    async fn update(&self, namespace: &Namespace, labels: &Labels, mask: &Mask) -> Result<Labels>;

    /// FailedPrecondition while anything is in it, naming what; NotFound where it is not.
    async fn delete(&self, namespace: &Namespace) -> Result<()>;
}
