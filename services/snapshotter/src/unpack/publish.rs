//! Publishing: a staged, verified tree becomes a snapshot in one transaction; or one that is
//! published already is used again.

use std::sync::Arc;

use varve_core::snapshots::{Kind, Usage};
use varve_core::unpack::Unpacked;
use varve_core::{Error, Labels, Result};

use super::Job;
use crate::drivers::Driver;
use crate::graph::{Change, Dir, DirId, Look, New};
use crate::places::Staged;
use crate::service::{Inner, Snapshotter};

impl<D: Driver> Snapshotter<D> {
    /// The published snapshot's usage, if there is one; it is safe from a collection that goes on.
    pub(super) async fn touch(&self, job: &Job) -> Result<Option<Usage>> {
        let (namespace, key) = (job.scope.namespace.clone(), job.key());
        let generations = Arc::clone(&self.0.generations);
        let touched = self.0.db.write(move |tx| {
            let Some(snapshot) = tx.find(&namespace, &key)? else { return Ok(None) };
            if snapshot.kind != Kind::Committed {
                return Err(Error::precondition(format!(
                    "snapshot {key} has the name of a layer's and is not committed; remove it"
                )));
            }
            generations.touch(&namespace, &key);
            Ok(Some(tx.dir(snapshot.dir)?.usage.unwrap_or_default()))
        });
        touched.await
    }

    /// Records a layer that another namespace has, in this one too.
    pub(super) async fn share(&self, job: &Job) -> Result<Option<Usage>> {
        let (new, chain) = (job.record(), job.layer.chain_id());
        let generations = Arc::clone(&self.0.generations);
        let shared = self.0.db.write(move |tx| {
            generations.touch(&new.namespace, &new.key);
            tx.share(&new, chain)
        });
        shared.await
    }

    /// Publishes a staged tree. The rename and the record are not parted by a dropped future.
    pub(super) async fn publish(
        &self,
        job: &Job,
        staged: Staged,
        on: Option<DirId>,
        usage: Usage,
        notices: Vec<String>,
    ) -> Result<Unpacked> {
        let (chain_id, new) = (job.layer.chain_id(), New { on, ..job.record() });
        let facts = Dir::layer(&self.0.boot, usage, chain_id);
        self.run(move |inner| inner.publish(staged, new, facts)).await?;
        Ok(Unpacked { chain_id, reused: false, usage, notices })
    }
}

impl<D: Driver> Inner<D> {
    fn publish(&self, staged: Staged, new: New, facts: Dir) -> Result<()> {
        let settled = staged.settle()?;
        let dir = settled.id();
        let generations = Arc::clone(&self.generations);
        let published = self.db.write_blocking(move |tx| {
            generations.touch(&new.namespace, &new.key);
            tx.publish(&new, dir, facts)
        });
        match published {
            Ok(()) => self.syncer.changed(),
            Err(_) => self.places.discard(dir),
        }
        published
    }
}

impl Job {
    fn record(&self) -> New {
        New {
            namespace: self.scope.namespace.clone(),
            key: self.key(),
            parent: self.parent(),
            on: None,
            kind: Kind::Committed,
            labels: Labels::new(),
        }
    }
}
