//! The one collector: marks from the roots of every namespace, removes what is left.
//!
//! How nothing that is written meanwhile is lost. Transactions run one after another. The first one
//! of a collection raises the barrier and reads the graph; then the snapshotters freeze theirs; the
//! last one reads the graph again, adds to it the first one, what the snapshotters told, and all
//! that the barrier has seen, marks, and removes the records of what is not marked, all in the same
//! transaction. So whatever was referred to at any moment between the two, or born, lives: an edge
//! that was removed in between was in the first graph or went past the barrier, and a snapshot made
//! after the freeze could only refer to what one of these keeps. What is added after the last
//! transaction finds the blob gone. Files follow their records: a crash in between leaves files
//! without records, which the next collection removes.
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
mod graph;
pub mod recount;
pub mod removal;
mod sweep;

use graph::Graph;
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
        let _one = self.store.collecting.lock().await;
        let now = varve_core::time::now();
        if let Some(until) = self.store.quiet_until().await?.filter(|until| now < *until) {
            tracing::warn!(%until, "the metadata was rebuilt: nothing is collected before that");
            return Ok(Collected::default());
        }
        let _removing = Removing(&self.store.removal);
        let (guests, mut verdict) = self.store.judge(now, dry_run).await?;
        self.store.sweep(guests, &mut verdict, dry_run).await?;
        Ok(verdict.collected)
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

impl Store {
    /// Decides what goes, and removes its records unless `dry_run`.
    async fn judge(&self, now: Timestamp, dry_run: bool) -> Result<(Vec<attend::Guest>, Verdict)> {
        let _raised = Raised(&self.records);
        let first = self.records.write(move |change| {
            change.barrier().raise();
            let mut graph = Graph::default();
            graph.add_records(change, now)?;
            Ok(graph)
        });
        let graph = first.await?;
        let guests = self.freeze(self.config.attendee_limit).await;
        let idle = self.idle_ingests(now);
        let removal = Arc::clone(&self.removal);
        let last = self.records.write(move |change| {
            let verdict = sweep::judge(change, graph, &guests, idle, now, dry_run)?;
            if !dry_run {
                removal.begin(&verdict.collected.snapshots);
            }
            Ok((guests, verdict))
        });
        last.await
    }
}
