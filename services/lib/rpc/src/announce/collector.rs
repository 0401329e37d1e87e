//! A collector that tells of snapshots, as containerd's does: not of blobs, nor of leases.

use std::sync::Arc;

use async_trait::async_trait;
use varve_core::collect::{Attendee, Collected, Collector};
use varve_core::{Digest, Result, Scope};
use varve_proto::containerd::events::SnapshotRemove;

use super::Announcing;

#[async_trait]
impl Collector for Announcing<dyn Collector> {
    async fn references(&self, scope: &Scope, digest: &Digest) -> Result<u64> {
        self.inner.references(scope, digest).await
    }

    async fn recount(&self) -> Result<Vec<String>> {
        self.inner.recount().await
    }

    async fn collect(&self, dry_run: bool) -> Result<Collected> {
        let collected = self.inner.collect(dry_run).await?;
        if !dry_run {
            self.tell_of(&collected);
        }
        Ok(collected)
    }

    async fn collect_below(&self, scope: &Scope, digests: &[Digest]) -> Result<Collected> {
        let collected = self.inner.collect_below(scope, digests).await?;
        self.tell_of(&collected);
        Ok(collected)
    }

    async fn attend(&self, name: &str, attendee: Arc<dyn Attendee>) -> Result<()> {
        self.inner.attend(name, attendee).await
    }
}

impl Announcing<dyn Collector> {
    fn tell_of(&self, collected: &Collected) {
        for (snapshotter, namespace, key) in &collected.snapshots {
            let (key, snapshotter) = (key.clone(), snapshotter.clone());
            self.tell(namespace, &SnapshotRemove { key, snapshotter });
        }
    }
}
