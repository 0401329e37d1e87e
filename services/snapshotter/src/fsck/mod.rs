//! Whether trees and records agree, and trees and layers.
//!
//! A tree is first read beside its layer's stream, which writes nothing ([`stream`]). Only where that
//! finds something odd, as a damaged tree is and an archive that names a file twice, the layer is laid
//! down once more, exactly as an unpack does, and the two trees are compared ([`beside`]): that decides,
//! and is what takes the damaged tree's place.

mod beside;
mod entry;
mod exchange;
mod facts;
mod orphans;
mod records;
mod stream;

use std::time::Duration;

use async_trait::async_trait;
use varve_core::fsck::{Compared, Finding, Trees};
use varve_core::unpack::{Layer, Progress};
use varve_core::{Error, Result, Scope, Timestamp};

use crate::drivers::{Driver, TREE};
use crate::graph::{DirId, Look, Seen};
use crate::service::Snapshotter;
use crate::unpack::{Job, Verified};

/// How long a layer may have been under way before it was recorded.
const LONGEST: Duration = Duration::from_secs(3600);

/// How often it is looked whether what is compared is still there.
const AGAIN: Duration = Duration::from_millis(500);

#[async_trait]
impl<D: Driver> Trees for Snapshotter<D> {
    async fn examine(&self, repair: bool) -> Result<Vec<Finding>> {
        self.run(move |inner| {
            let mut findings = inner.take_settled();
            findings.extend(inner.wrong_counts(repair)?);
            findings.extend(inner.records_without_tree()?);
            findings.extend(inner.trees_without_record(repair)?);
            Ok(findings)
        })
        .await
    }

    async fn compare(
        &self,
        scope: &Scope,
        layer: Layer,
        repair: bool,
        progress: Progress,
    ) -> Result<Compared> {
        let job = Job::new(scope, layer, progress)?;
        let digest = job.layer.blob.digest;
        let compared = self.compare_job(&job, repair).await;
        compared.map_err(|error| error.context(format!("layer {digest}")))
    }
}

impl<D: Driver> Snapshotter<D> {
    async fn compare_job(&self, job: &Job, repair: bool) -> Result<Compared> {
        let _flight = self.0.flights.enter(job.layer.chain_id(), job.layer.blob.digest).await;
        let (dir, since) = self.made_from(job).await?;
        // Whoever follows a damaged blob waits for another to bring it.
        let blob = self.0.neighbours.content.reader(&job.scope, &job.layer.blob.digest).await?;
        blob.read_at(0, 1).await?;
        let laid = tokio::select! {
            laid = self.laid_unless_same(job, dir) => laid?,
            gone = self.gone(job, dir) => return Err(gone),
        };
        match laid {
            Some(laid) => self.decide(job, dir, laid, since, repair).await,
            None => Ok(Compared::default()),
        }
    }

    /// The layer laid down once more, where its tree is not plainly the same.
    async fn laid_unless_same(&self, job: &Job, dir: DirId) -> Result<Option<Verified>> {
        match self.reads_same(job, dir).await? {
            true => Ok(None),
            false => self.lay_anew(job).await.map(Some),
        }
    }

    /// Returns once the blob or the snapshot is not what it was: a blob, or a parent, that was removed meanwhile would
    /// be waited for as if somebody were bringing it.
    async fn gone(&self, job: &Job, dir: DirId) -> Error {
        loop {
            tokio::time::sleep(AGAIN).await;
            if let Err(error) = self.is_still(job, dir).await {
                return error;
            }
        }
    }

    async fn is_still(&self, job: &Job, dir: DirId) -> Result<()> {
        self.0.neighbours.content.reader(&job.scope, &job.layer.blob.digest).await?;
        let (namespace, key) = (job.scope.namespace.clone(), job.key());
        self.run(move |inner| match inner.db.snapshot(&namespace, &key)?.dir == dir {
            true => Ok(()),
            false => Err(Error::precondition(format!("snapshot {key} was made anew"))),
        })
        .await
    }

    async fn decide(
        &self,
        job: &Job,
        dir: DirId,
        laid: Verified,
        since: Timestamp,
        repair: bool,
    ) -> Result<Compared> {
        let key = job.key();
        let found = self.run(move |inner| {
            inner.driver.committed(laid.staged.path())?;
            let (ours, theirs) =
                (inner.places.snapshot(dir).join(TREE), laid.staged.path().join(TREE));
            let differences = beside::differences(&ours, &theirs, since)?;
            Ok((laid, differences))
        });
        let (laid, differences) = found.await?;
        // Whoever removes a snapshot takes its record first, and then its tree.
        if !differences.is_empty() {
            self.is_still(job, dir).await?;
        }
        let repaired = repair && !differences.is_empty();
        if repaired {
            self.run(move |inner| inner.exchange(&key, dir, laid)).await?;
        }
        Ok(Compared { differences, repaired })
    }

    /// The directory of a snapshot that was made from this layer, and a time before any tree that it
    /// stands on was.
    async fn made_from(&self, job: &Job) -> Result<(DirId, Timestamp)> {
        let (namespace, key, chain) =
            (job.scope.namespace.clone(), job.key(), job.layer.chain_id());
        self.run(move |inner| {
            let snapshot = inner.db.snapshot(&namespace, &key)?;
            match inner.db.dir(snapshot.dir)?.chain {
                Some(of) if of == chain => {}
                _ => {
                    return Err(Error::precondition(format!(
                        "snapshot {key} was not made from a layer by this snapshotter"
                    )));
                }
            }
            let stack = inner.db.stack(&namespace, Some(&key))?;
            let of_it = |seen: &Seen| stack.contains(&seen.snapshot.dir);
            let all = inner.db.everything()?.into_iter().filter(of_it);
            let first = all.map(|seen| seen.snapshot.created).min().unwrap_or(snapshot.created);
            // The record comes when the tree is whole.
            Ok((snapshot.dir, first - LONGEST))
        })
        .await
    }
}
