//! The contract of [`Snapshots`], written once for every driver.

use std::sync::Arc;

use async_trait::async_trait;
use varve_core::snapshots::{Info, Kind, NewSnapshot, Snapshots, Usage};
use varve_core::{Digest, Error, Filter, Labels, Mask, Mount, Namespace, Result, Scope};

use crate::drivers::Driver;
use crate::graph::{Change, Dir, Look, New, Snapshot, check_active, check_key, unused};
use crate::service::{Inner, Snapshotter};
use crate::sync;

#[async_trait]
impl<D: Driver> Snapshots for Snapshotter<D> {
    async fn stat(&self, scope: &Scope, key: &str) -> Result<Info> {
        let (namespace, key) = owned(scope, key);
        self.run(move |inner| inner.db.info(&namespace, &key)).await
    }

    async fn update(&self, scope: &Scope, key: &str, labels: &Labels, mask: &Mask) -> Result<Info> {
        mask.check(&[])?;
        let (namespace, key) = owned(scope, key);
        let (labels, mask) = (labels.clone(), mask.clone());
        self.0.db.write(move |tx| tx.relabel(&namespace, &key, &labels, &mask)).await
    }

    async fn usage(&self, scope: &Scope, key: &str) -> Result<Usage> {
        let (namespace, key) = owned(scope, key);
        self.run(move |inner| inner.usage(&namespace, &key)).await
    }

    async fn mounts(&self, scope: &Scope, key: &str) -> Result<Vec<Mount>> {
        let (namespace, key) = owned(scope, key);
        self.run(move |inner| inner.mounts(&namespace, &key)).await
    }

    async fn prepare(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        self.make(scope, new, Kind::Active).await
    }

    async fn view(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        self.make(scope, new, Kind::View).await
    }

    async fn commit(&self, scope: &Scope, name: &str, key: &str, labels: &Labels) -> Result<()> {
        let new = New {
            namespace: scope.namespace.clone(),
            key: name.to_owned(),
            parent: None,
            on: None,
            kind: Kind::Committed,
            labels: labels.clone(),
        };
        new.check()?;
        self.lease(scope, name).await?;
        let key = key.to_owned();
        self.run(move |inner| inner.commit(&key, new)).await
    }

    async fn remove(&self, scope: &Scope, key: &str) -> Result<()> {
        let (namespace, key) = owned(scope, key);
        self.run(move |inner| {
            let generations = Arc::clone(&inner.generations);
            let dir = inner.db.write_blocking(move |tx| {
                generations.forget(&namespace, &key);
                tx.forget(&namespace, &key)
            })?;
            inner.discard(dir);
            Ok(())
        })
        .await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        let filter = Filter::parse(filters)?;
        let namespace = scope.namespace.clone();
        self.run(move |inner| {
            let mut infos = inner.db.infos(&namespace)?;
            infos.retain(|info| filter.matches(info));
            Ok(infos)
        })
        .await
    }
}

impl<D: Driver> Snapshotter<D> {
    async fn make(&self, scope: &Scope, new: NewSnapshot, kind: Kind) -> Result<Vec<Mount>> {
        let NewSnapshot { key, parent, labels } = new;
        // The wire has no other way to say that there is none.
        let parent = parent.filter(|parent| !parent.is_empty());
        let namespace = scope.namespace.clone();
        let new = New { namespace, key, parent, on: None, kind, labels };
        new.check()?;
        self.lease(scope, &new.key).await?;
        self.run(move |inner| inner.make(new)).await
    }
}

impl<D: Driver> Inner<D> {
    /// Makes the directory, then the record.
    fn make(&self, mut new: New) -> Result<Vec<Mount>> {
        unused(&self.db, &new.namespace, &new.key)?;
        let below = self.below(&new.namespace, new.parent.as_deref())?;
        new.on = below.top;
        let staged = self.places.stage()?;
        self.driver.create(staged.path(), new.kind, &below.dirs)?;
        let settled = staged.settle()?;
        let dir = settled.id();
        let (kind, boot) = (new.kind, self.boot.clone());
        let generations = Arc::clone(&self.generations);
        let recorded = self.db.write_blocking(move |tx| {
            generations.touch(&new.namespace, &new.key);
            tx.create(&new, dir, &boot)
        });
        match recorded {
            Ok(()) => Ok(self.driver.mounts(&self.places.snapshot(dir), kind, &below.dirs)),
            Err(error) => {
                self.places.discard(dir);
                Err(error)
            }
        }
    }

    pub fn mounts(&self, namespace: &Namespace, key: &str) -> Result<Vec<Mount>> {
        let snapshot = self.db.snapshot(namespace, key)?;
        if snapshot.kind == Kind::Committed {
            return Err(Error::precondition(format!(
                "snapshot {key:?} is committed, and only a view of it can be mounted: `varve mount` makes one"
            )));
        }
        self.mounts_of(namespace, &snapshot)
    }

    /// How to mount what is active or a view.
    pub fn mounts_of(&self, namespace: &Namespace, snapshot: &Snapshot) -> Result<Vec<Mount>> {
        let below = self.below(namespace, snapshot.parent.as_deref())?;
        Ok(self.driver.mounts(&self.places.snapshot(snapshot.dir), snapshot.kind, &below.dirs))
    }

    fn usage(&self, namespace: &Namespace, key: &str) -> Result<Usage> {
        let snapshot = self.db.snapshot(namespace, key)?;
        match self.db.dir(snapshot.dir)?.usage {
            Some(usage) => Ok(usage),
            // It adds nothing to what it shows.
            None if snapshot.kind == Kind::View => Ok(Usage::default()),
            None => self.driver.usage(&self.places.snapshot(snapshot.dir)),
        }
    }

    fn commit(&self, key: &str, new: New) -> Result<()> {
        check_key(key)?;
        unused(&self.db, &new.namespace, &new.key)?;
        let snapshot = self.db.snapshot(&new.namespace, key)?;
        check_active(key, &snapshot)?;
        let dir = self.places.snapshot(snapshot.dir);
        let mut facts = Dir::committed(&self.boot, self.driver.usage(&dir)?);
        facts.synced = self.sync_layer(&new.key)?;
        let old = key.to_owned();
        let generations = Arc::clone(&self.generations);
        self.db.write_blocking(move |tx| {
            generations.touch(&new.namespace, &new.key);
            tx.commit(&old, &new, facts)?;
            generations.forget(&new.namespace, &old);
            Ok(())
        })?;
        self.syncer.changed();
        if let Err(error) = self.driver.committed(&dir) {
            tracing::debug!(error = %error.chain(), "tidying a committed snapshot");
        }
        Ok(())
    }
}

impl<D: Driver> Inner<D> {
    /// Waits for the disk where a client gives its tree the name of a layer: everybody takes it for one, and nobody but
    /// that client can make it again. Whether it did.
    fn sync_layer(&self, name: &str) -> Result<bool> {
        let layer = name.parse::<Digest>().is_ok();
        if layer {
            sync::all(&self.db, &self.places)?;
        }
        Ok(layer)
    }
}

fn owned(scope: &Scope, key: &str) -> (Namespace, String) {
    (scope.namespace.clone(), key.to_owned())
}
