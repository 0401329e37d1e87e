//! Snapshotters that tell, each under its driver's name.

use std::sync::Arc;

use async_trait::async_trait;
use varve_core::snapshots::{Info, NewSnapshot, Snapshots, Usage};
use varve_core::snapshotters::{Drivers, Snapshotter, Snapshotters};
use varve_core::unpack::{Layer, Progress, Unpacked, Unpacker};
use varve_core::{Labels, Mask, Mount, Result, Scope};
use varve_proto::containerd::events::{SnapshotCommit, SnapshotPrepare, SnapshotRemove};

use super::Announcing;
use crate::events::Announcer;

#[async_trait]
impl Snapshotters for Announcing<dyn Snapshotters> {
    async fn open(&self, name: &str) -> Result<Snapshotter> {
        let inner = self.inner.open(name).await?;
        let (to, driver) = (self.to.clone(), inner.clone());
        let telling = Arc::new(Telling { inner, to });
        Ok(Snapshotter { snapshots: telling.clone(), unpacker: telling, ..driver })
    }

    async fn drivers(&self) -> Result<Drivers> {
        self.inner.drivers().await
    }
}

/// One driver. What its differ works on was told when it was prepared.
struct Telling {
    inner: Snapshotter,
    to: Announcer,
}

impl Telling {
    fn name(&self) -> String {
        self.inner.name.clone()
    }
}

#[async_trait]
impl Snapshots for Telling {
    async fn stat(&self, scope: &Scope, key: &str) -> Result<Info> {
        self.inner.snapshots.stat(scope, key).await
    }

    async fn update(&self, scope: &Scope, key: &str, labels: &Labels, mask: &Mask) -> Result<Info> {
        self.inner.snapshots.update(scope, key, labels, mask).await
    }

    async fn usage(&self, scope: &Scope, key: &str) -> Result<Usage> {
        self.inner.snapshots.usage(scope, key).await
    }

    async fn mounts(&self, scope: &Scope, key: &str) -> Result<Vec<Mount>> {
        self.inner.snapshots.mounts(scope, key).await
    }

    async fn prepare(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        let (key, parent) = (new.key.clone(), new.parent.clone().unwrap_or_default());
        let mounts = self.inner.snapshots.prepare(scope, new).await?;
        let fact = SnapshotPrepare { key, parent, snapshotter: self.name() };
        self.to.tell(&scope.namespace, &fact);
        Ok(mounts)
    }

    /// Not told, as containerd's is not.
    async fn view(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        self.inner.snapshots.view(scope, new).await
    }

    async fn commit(&self, scope: &Scope, name: &str, key: &str, labels: &Labels) -> Result<()> {
        self.inner.snapshots.commit(scope, name, key, labels).await?;
        let (key, name) = (key.to_owned(), name.to_owned());
        let fact = SnapshotCommit { key, name, snapshotter: self.name() };
        self.to.tell(&scope.namespace, &fact);
        Ok(())
    }

    async fn remove(&self, scope: &Scope, key: &str) -> Result<()> {
        self.inner.snapshots.remove(scope, key).await?;
        let fact = SnapshotRemove { key: key.to_owned(), snapshotter: self.name() };
        self.to.tell(&scope.namespace, &fact);
        Ok(())
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        self.inner.snapshots.list(scope, filters).await
    }
}

#[async_trait]
impl Unpacker for Telling {
    /// A layer is staged under no key: its name is told as both.
    async fn unpack(&self, scope: &Scope, layer: Layer, progress: Progress) -> Result<Unpacked> {
        let unpacked = self.inner.unpacker.unpack(scope, layer, progress).await?;
        if !unpacked.reused {
            let name = unpacked.chain_id.to_string();
            let fact = SnapshotCommit { key: name.clone(), name, snapshotter: self.name() };
            self.to.tell(&scope.namespace, &fact);
        }
        Ok(unpacked)
    }
}
