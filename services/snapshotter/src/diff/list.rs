//! What a snapshot changed of its parent, told to whoever asks: nothing is written anywhere.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use async_trait::async_trait;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use varve_core::changes::{Change, Changes, Listing};
use varve_core::snapshots::Kind;
use varve_core::{Error, Namespace, Result, Scope};

use super::{DiffError, Rules, Sides, Stacks, walk};
use crate::apply::Cancel;
use crate::drivers::Driver;
use crate::graph::Look;
use crate::service::{Inner, Snapshotter};
use crate::tree::alone;

/// Changes that are told at a time.
const BATCH: usize = 256;
/// Batches that wait to be taken.
const WAITING: usize = 2;

#[async_trait]
impl<D: Driver> Changes for Snapshotter<D> {
    async fn changes(&self, scope: &Scope, key: &str) -> Result<Box<dyn Listing>> {
        let permit = self.0.comparisons.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::unavailable("the snapshotter is closed"))?;
        let (namespace, key) = (scope.namespace.clone(), key.to_owned());
        let (to, from) = channel(WAITING);
        let cancel = Cancel::default();
        let rules = Rules { limits: self.0.config.limits.clone(), cancel: cancel.clone() };
        let asked = (namespace.clone(), key.clone());
        let found = self.run(move |inner| inner.begun(&asked.0, &asked.1)).await?;
        if let Some((stacks, sides)) = found {
            let inner = self.0.clone();
            tokio::task::spawn_blocking(move || {
                let listed = list(sides, &rules, &to).and_then(|()| {
                    let now = inner.stacks_of(&namespace, &key).ok().flatten();
                    if now.as_ref() == Some(&stacks) { Ok(()) } else { Err(removed()) }
                });
                if let Err(error) = listed {
                    let _ = to.blocking_send(Err(error));
                }
                drop(permit);
            });
        }
        Ok(Box::new(Listed { from, cancel }))
    }
}

fn removed() -> Error {
    Error::aborted("the snapshot was removed or committed while it was compared")
}

impl<D: Driver> Inner<D> {
    fn begun(&self, namespace: &Namespace, key: &str) -> Result<Option<(Stacks, Sides)>> {
        let Some(stacks) = self.stacks_of(namespace, key)? else { return Ok(None) };
        let sides = self.sides(&stacks)?;
        Ok(Some((stacks, sides)))
    }

    /// The directories of a snapshot's parent and of itself; `None` for a view, which has none.
    fn stacks_of(&self, namespace: &Namespace, key: &str) -> Result<Option<Stacks>> {
        let snapshot = self.db.snapshot(namespace, key)?;
        if snapshot.kind == Kind::View {
            return Ok(None);
        }
        let mut lower = self.db.stack(namespace, snapshot.parent.as_deref())?;
        let mut upper = [&[snapshot.dir][..], &lower].concat();
        if !self.driver.stacks() {
            lower.truncate(1);
            upper.truncate(1);
        }
        Ok(Some(Stacks { lower, upper }))
    }
}

/// Compares on this thread, until nobody listens any more.
fn list(sides: Sides, rules: &Rules, to: &Sender<Result<Vec<Change>>>) -> Result<()> {
    let _alone = alone();
    let mut batch = Vec::new();
    let tell = |batch: &mut Vec<Change>| {
        let told = to.blocking_send(Ok(std::mem::take(batch)));
        told.map_err(|_| DiffError::Cancelled)
    };
    walk(sides, rules, &mut |change| {
        if change.path.is_root() {
            return Ok(());
        }
        batch.push(public(&change));
        if batch.len() == BATCH { tell(&mut batch) } else { Ok(()) }
    })?;
    if batch.is_empty() { Ok(()) } else { Ok(tell(&mut batch)?) }
}

fn public(change: &super::Change) -> Change {
    let path = std::ffi::OsStr::from_bytes(change.path.as_bytes());
    Change { kind: change.kind, path: Path::new("/").join(path) }
}

struct Listed {
    from: Receiver<Result<Vec<Change>>>,
    cancel: Cancel,
}

#[async_trait]
impl Listing for Listed {
    async fn next(&mut self) -> Result<Vec<Change>> {
        self.from.recv().await.unwrap_or_else(|| Ok(Vec::new()))
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
