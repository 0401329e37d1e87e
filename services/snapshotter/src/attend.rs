//! A snapshotter's part in a collection: tells its snapshots, then removes those that nothing needs.

use async_trait::async_trait;
use varve_core::collect::{Attendee, Frozen, Node};
use varve_core::{Error, Kind, Namespace, Result};

use crate::drivers::Driver;
use crate::graph::{Change, DirId, Look, Seen};
use crate::recover::by_depth;
use crate::service::{Inner, Snapshotter};

#[async_trait]
impl<D: Driver> Attendee for Snapshotter<D> {
    async fn freeze(&self) -> Result<Frozen> {
        self.run(|inner| {
            let generation = inner.generations.freeze();
            let nodes = inner.db.everything()?.into_iter().map(|seen| inner.node(seen));
            Ok(Frozen { generation, nodes: nodes.collect::<Result<_>>()? })
        })
        .await
    }

    async fn remove(&self, generation: u64, doomed: Vec<(Namespace, String)>) -> Result<u64> {
        self.run(move |inner| inner.collect(generation, doomed)).await
    }
}

impl<D: Driver> Inner<D> {
    fn node(&self, seen: Seen) -> Result<Node> {
        let dir = seen.snapshot.dir;
        let mut labels = self.db.labels(&seen.namespace, dir)?;
        labels.retain(|name, _| name.starts_with("containerd.io/gc."));
        let usage = match self.db.dir(dir) {
            Ok(dir) => dir.usage.unwrap_or_default(),
            // Removed since the scan.
            Err(error) if error.kind() == Kind::DataLoss => Default::default(),
            Err(error) => return Err(error),
        };
        let Seen { namespace, key, snapshot } = seen;
        Ok(Node { namespace, key, parent: snapshot.parent, labels, size: usage.size })
    }

    fn collect(&self, generation: u64, doomed: Vec<(Namespace, String)>) -> Result<u64> {
        if !self.generations.is_current(generation) {
            return Err(Error::aborted(format!(
                "generation {generation} is no longer the current one: collect again"
            )));
        }
        let mut freed = 0;
        for (namespace, key) in self.children_first(doomed)? {
            freed += self.collect_one(generation, namespace, key)?;
        }
        self.places.sweep_staged()?;
        self.places.trash.wait();
        Ok(freed)
    }

    /// Those that are still there, children before parents.
    fn children_first(&self, doomed: Vec<(Namespace, String)>) -> Result<Vec<(Namespace, String)>> {
        let doomed: std::collections::HashSet<_> = doomed.into_iter().collect();
        let all = by_depth(self.db.everything()?).into_iter().rev();
        let keys = all.map(|seen| (seen.namespace, seen.key));
        Ok(keys.filter(|key| doomed.contains(key)).collect())
    }

    /// Removes one, unless it is newer, gone, or has got a child; answers the bytes that came free.
    fn collect_one(&self, generation: u64, namespace: Namespace, key: String) -> Result<u64> {
        let generations = std::sync::Arc::clone(&self.generations);
        let forgotten = self.db.write_blocking(move |tx| {
            // Looked at on the writer's thread: nobody can use it again in between.
            if !generations.covers(generation, &namespace, &key) {
                return Ok(None);
            }
            let size = size(tx, &namespace, &key)?;
            Ok(tx.forget(&namespace, &key)?.map(|dir| (dir, size)))
        });
        match forgotten {
            Ok(Some((dir, size))) => Ok(self.reclaim(dir, size)),
            Ok(None) => Ok(0),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::FailedPrecondition) => {
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    fn reclaim(&self, dir: DirId, size: Option<u64>) -> u64 {
        let walk = || self.driver.usage(&self.places.snapshot(dir)).map_or(0, |usage| usage.size);
        let size = size.unwrap_or_else(walk);
        self.places.discard(dir);
        size
    }
}

/// What the snapshot's directory costs, where that was recorded.
fn size(look: &impl Look, namespace: &Namespace, key: &str) -> Result<Option<u64>> {
    let snapshot = look.snapshot(namespace, key)?;
    Ok(look.dir(snapshot.dir)?.usage.map(|usage| usage.size))
}
