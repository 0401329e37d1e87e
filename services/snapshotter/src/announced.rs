//! A snapshotter that takes part in collections from its first change on, and not before: one that
//! is only looked at costs the store no write. Until then the store knows what it refers to from
//! when it was last closed.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use varve_core::changes::{Changes, Listing};
use varve_core::collect::Collector;
use varve_core::diff::{Diff, NewLayer};
use varve_core::fsck::{Compared, Finding, Trees};
use varve_core::snapshots::{Info, NewSnapshot, Snapshots, Usage};
use varve_core::unpack::{Layer, Progress, Unpacked, Unpacker};
use varve_core::{Descriptor, Labels, Mask, Mount, Result, Scope};

use crate::service::Service;

/// A service, announced to the collector before it changes anything. Clones are the same one.
#[derive(Clone)]
pub struct Announced(Arc<Inner>);

struct Inner {
    service: Service,
    collector: Arc<dyn Collector>,
    done: OnceCell<()>,
}

impl Announced {
    pub fn new(service: Service, collector: Arc<dyn Collector>) -> Self {
        Self(Arc::new(Inner { service, collector, done: OnceCell::new() }))
    }

    /// From now on it takes part in every collection.
    pub async fn announce(&self) -> Result<()> {
        let Inner { service, collector, done } = &*self.0;
        let attend = || collector.attend(service.name, service.attendee.clone());
        done.get_or_try_init(attend).await.copied()
    }

    pub async fn close(&self) -> Result<()> {
        self.0.service.close().await
    }

    fn snapshots(&self) -> &dyn Snapshots {
        &*self.0.service.snapshots
    }
}

#[async_trait]
impl Snapshots for Announced {
    async fn stat(&self, scope: &Scope, key: &str) -> Result<Info> {
        self.snapshots().stat(scope, key).await
    }

    async fn update(&self, scope: &Scope, key: &str, labels: &Labels, mask: &Mask) -> Result<Info> {
        self.announce().await?;
        self.snapshots().update(scope, key, labels, mask).await
    }

    async fn usage(&self, scope: &Scope, key: &str) -> Result<Usage> {
        self.snapshots().usage(scope, key).await
    }

    async fn mounts(&self, scope: &Scope, key: &str) -> Result<Vec<Mount>> {
        self.snapshots().mounts(scope, key).await
    }

    async fn prepare(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        self.announce().await?;
        self.snapshots().prepare(scope, new).await
    }

    async fn view(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        self.announce().await?;
        self.snapshots().view(scope, new).await
    }

    async fn commit(&self, scope: &Scope, name: &str, key: &str, labels: &Labels) -> Result<()> {
        self.announce().await?;
        self.snapshots().commit(scope, name, key, labels).await
    }

    async fn remove(&self, scope: &Scope, key: &str) -> Result<()> {
        self.announce().await?;
        self.snapshots().remove(scope, key).await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        self.snapshots().list(scope, filters).await
    }
}

#[async_trait]
impl Unpacker for Announced {
    async fn unpack(&self, scope: &Scope, layer: Layer, progress: Progress) -> Result<Unpacked> {
        self.announce().await?;
        self.0.service.unpacker.unpack(scope, layer, progress).await
    }
}

#[async_trait]
impl Diff for Announced {
    async fn apply(
        &self,
        scope: &Scope,
        blob: &Descriptor,
        mounts: &[Mount],
    ) -> Result<Descriptor> {
        self.announce().await?;
        self.0.service.diff.apply(scope, blob, mounts).await
    }

    async fn diff(
        &self,
        scope: &Scope,
        lower: &[Mount],
        upper: &[Mount],
        layer: NewLayer,
    ) -> Result<Descriptor> {
        self.0.service.diff.diff(scope, lower, upper, layer).await
    }
}

#[async_trait]
impl Changes for Announced {
    async fn changes(&self, scope: &Scope, key: &str) -> Result<Box<dyn Listing>> {
        self.0.service.changes.changes(scope, key).await
    }
}

#[async_trait]
impl Trees for Announced {
    async fn examine(&self, repair: bool) -> Result<Vec<Finding>> {
        self.0.service.trees.examine(repair).await
    }

    async fn compare(
        &self,
        scope: &Scope,
        layer: Layer,
        repair: bool,
        progress: Progress,
    ) -> Result<Compared> {
        self.0.service.trees.compare(scope, layer, repair, progress).await
    }
}
