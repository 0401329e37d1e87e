//! Snapshots of a containerd: each is kept until it is removed here.

use std::sync::Arc;

use async_trait::async_trait;
use varve_core::snapshots::{Info, NewSnapshot, Snapshots, Usage};
use varve_core::snapshotters::{Drivers, Snapshotter, Snapshotters};
use varve_core::{Error, Kind, Labels, Mask, Mount, Result, Scope};

use super::{Proxied, kept, told};

#[async_trait]
impl Snapshotters for Proxied<dyn Snapshotters> {
    /// A request names the plugin as containerd's configuration does. Where that is neither a driver nor
    /// an alias of one, it is the default driver.
    async fn open(&self, name: &str) -> Result<Snapshotter> {
        let opened = match self.inner.open(name).await {
            Err(error) if is_no_driver(&error) => self.inner.open("").await?,
            opened => opened?,
        };
        let (inner, namespace) = (Arc::clone(&opened.snapshots), self.namespace.clone());
        Ok(Snapshotter { snapshots: Arc::new(Proxied { inner, namespace }), ..opened })
    }

    async fn drivers(&self) -> Result<Drivers> {
        self.inner.drivers().await
    }
}

fn is_no_driver(error: &Error) -> bool {
    error.kind() == Kind::InvalidArgument
}

#[async_trait]
impl Snapshots for Proxied<dyn Snapshots> {
    async fn stat(&self, _: &Scope, key: &str) -> Result<Info> {
        Ok(shown(self.inner.stat(&self.scope(), key).await?))
    }

    async fn update(&self, _: &Scope, key: &str, labels: &Labels, mask: &Mask) -> Result<Info> {
        Ok(shown(self.inner.update(&self.scope(), key, &kept(labels), mask).await?))
    }

    async fn usage(&self, _: &Scope, key: &str) -> Result<Usage> {
        self.inner.usage(&self.scope(), key).await
    }

    async fn mounts(&self, _: &Scope, key: &str) -> Result<Vec<Mount>> {
        self.inner.mounts(&self.scope(), key).await
    }

    async fn prepare(&self, _: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        self.inner.prepare(&self.scope(), keep(new)).await
    }

    async fn view(&self, _: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        self.inner.view(&self.scope(), keep(new)).await
    }

    async fn commit(&self, _: &Scope, name: &str, key: &str, labels: &Labels) -> Result<()> {
        self.inner.commit(&self.scope(), name, key, &kept(labels)).await
    }

    async fn remove(&self, _: &Scope, key: &str) -> Result<()> {
        self.inner.remove(&self.scope(), key).await
    }

    async fn list(&self, _: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        Ok(self.inner.list(&self.scope(), filters).await?.into_iter().map(shown).collect())
    }
}

fn keep(new: NewSnapshot) -> NewSnapshot {
    NewSnapshot { labels: kept(&new.labels), ..new }
}

fn shown(info: Info) -> Info {
    Info { labels: told(info.labels), ..info }
}
