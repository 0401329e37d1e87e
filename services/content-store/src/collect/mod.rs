//! The one collector: marks from the roots of every namespace, removes what is left.
//!
//! How nothing that is written meanwhile is lost. Transactions run one after another. The first one
//! of a collection raises the barrier; then the snapshotters freeze their graphs; the last one reads
//! the store's, adds to it what the snapshotters told and all that the barrier has seen, marks, and
//! removes the records of what is not marked, all in the same transaction. So whatever was referred
//! to at any moment between the two, or born, lives: an edge that was added or removed in between
//! went past the barrier, all others are in the graph, and a snapshot made after the freeze could
//! only refer to what one of these keeps. What is added after the last transaction finds the blob
//! gone. Files follow their records: a crash in between leaves files without records, which the next
//! collection removes.
//!
//! A collection may begin at blobs that were just let go (`below`): then only these and what they
//! lead to are looked at.
//!
//! Snapshots are removed after the last transaction. Whoever adds a reference to one of them
//! meanwhile gets the answer when the removal is over (`removal`), and so finds it gone.

use std::sync::Arc;

use async_trait::async_trait;
use varve_core::collect::{Attendee, Collected, Collector};
use varve_core::{Digest, Result, Scope, Timestamp};

use crate::ContentStore;
use crate::records::{Records, edges};
use crate::store::Store;

mod attend;
pub mod barrier;
mod below;
pub mod graph;
pub mod recount;
pub mod removal;
mod sweep;

use below::Below;
use removal::Removal;
use sweep::Verdict;

#[async_trait]
impl Collector for ContentStore {
    async fn references(&self, scope: &Scope, digest: &Digest) -> Result<u64> {
        let prefix = edges::prefix(&scope.namespace, digest);
        self.store.records.read(move |db| db.count(&prefix)).await
    }

    async fn recount(&self) -> Result<Vec<String>> {
        self.store.records.write(|change| recount::recount(change)).await
    }

    async fn collect(&self, dry_run: bool) -> Result<Collected> {
        self.store.collect(Extent::Whole { dry_run }).await
    }

    async fn collect_below(&self, scope: &Scope, digests: &[Digest]) -> Result<Collected> {
        let (namespace, digests) = (scope.namespace.clone(), digests.to_vec());
        self.store.collect(Extent::Below(Below { namespace, digests })).await
    }

    async fn attend(&self, name: &str, attendee: Arc<dyn Attendee>) -> Result<()> {
        self.store.attend(name, attendee).await
    }
}

/// Lowers the barrier when the collection is over, however it ends.
struct Raised<'a>(&'a Records);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.barrier.lower();
    }
}

/// Lets those who wait for a removal go on, however it ends.
struct Removing<'a>(&'a Removal);

impl Drop for Removing<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What is looked at.
#[derive(Clone)]
pub enum Extent {
    Whole { dry_run: bool },
    Below(Below),
}

impl Extent {
    fn is_dry_run(&self) -> bool {
        matches!(self, Self::Whole { dry_run: true })
    }
}

impl Store {
    async fn collect(self: &Arc<Self>, extent: Extent) -> Result<Collected> {
        let _one = self.collecting.lock().await;
        let now = varve_core::time::now();
        if let Some(until) = self.quiet_until().await?.filter(|until| now < *until) {
            tracing::warn!(%until, "the metadata was rebuilt: nothing is collected before that");
            return Ok(Collected::default());
        }
        let _removing = Removing(&self.removal);
        let (guests, mut verdict) = self.judge(now, extent.clone()).await?;
        self.sweep(guests, &mut verdict, &extent).await?;
        Ok(verdict.collected)
    }

    /// Decides what goes, and removes its records unless it is only asked for.
    async fn judge(&self, now: Timestamp, extent: Extent) -> Result<(Vec<attend::Guest>, Verdict)> {
        let _raised = Raised(&self.records);
        let first = self.records.write(|change| {
            change.barrier().raise();
            Ok(())
        });
        first.await?;
        let guests = self.freeze(self.config.attendee_limit).await;
        let idle = self.idle_ingests(now);
        let removal = Arc::clone(&self.removal);
        let last = self.records.write(move |change| {
            let verdict = match &extent {
                Extent::Whole { dry_run } => sweep::judge(change, &guests, idle, now, *dry_run)?,
                Extent::Below(below) => below.judge(change, &guests)?,
            };
            if !extent.is_dry_run() {
                removal.begin(&verdict.collected.snapshots);
            }
            Ok((guests, verdict))
        });
        last.await
    }
}
