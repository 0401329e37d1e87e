//! The one writer of an ingest.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::state::{Ingest, State};
use super::store::Shared;
use crate::content::{Commit, Info, Status, Writer};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::labels;
use crate::leases::Resource;
use crate::scope::Scope;
use crate::time;

/// Holds a ref until it is dropped or has committed.
pub(super) struct Pen {
    store: Arc<Shared>,
    scope: Scope,
    /// What is told once the ingest is gone.
    last: Status,
    done: bool,
}

impl Pen {
    pub fn new(store: Arc<Shared>, scope: Scope, last: Status) -> Self {
        Self { store, scope, last, done: false }
    }

    /// Does something to the ingest, and remembers how it is afterwards.
    fn with<T>(&mut self, work: impl FnOnce(&mut Ingest) -> Result<T>) -> Result<T> {
        if self.done {
            return Err(Error::precondition(format!("the writer of {} is done", self.last.ingest)));
        }
        let mut state = self.store.lock();
        let ingest = state.ingest(&self.scope, &self.last.ingest)?;
        let result = work(ingest);
        self.last = ingest.status.clone();
        drop(state);
        self.store.ring();
        result
    }

    /// Lets go of the ref; whatever is there stays.
    fn finish(&mut self) {
        if !std::mem::replace(&mut self.done, true) {
            if let Ok(ingest) = self.store.lock().ingest(&self.scope, &self.last.ingest) {
                ingest.held = false;
            }
            self.store.ring();
        }
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.finish();
    }
}

#[async_trait]
impl Writer for Pen {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.with(|ingest| {
            ingest.append(&bytes);
            Ok(())
        })
    }

    fn status(&self) -> Status {
        let mut state = self.store.lock();
        match state.ingest(&self.scope, &self.last.ingest) {
            Ok(ingest) if !self.done => ingest.status.clone(),
            _ => self.last.clone(),
        }
    }

    async fn digest(&mut self) -> Result<Digest> {
        self.with(|ingest| Ok(ingest.hasher.digest()))
    }

    async fn truncate(&mut self, size: u64) -> Result<()> {
        self.with(|ingest| {
            let beyond = || Error::new(Kind::OutOfRange, format!("cannot truncate to {size}"));
            let fits = usize::try_from(size).ok().filter(|size| *size <= ingest.bytes.len());
            ingest.cut(fits.ok_or_else(beyond)?);
            Ok(())
        })
    }

    async fn commit(&mut self, commit: Commit) -> Result<Digest> {
        self.with(|ingest| {
            labels::check(&commit.labels)?;
            check(ingest, &commit)
        })
        .inspect_err(|_| self.finish())?;
        let result = publish(&mut self.store.lock(), &self.scope, &self.last.ingest, commit);
        self.finish();
        result
    }
}

/// Size and digest, as told at commit or else at the beginning.
fn check(ingest: &Ingest, commit: &Commit) -> Result<()> {
    let (size, status) = (ingest.status.offset, &ingest.status);
    let want = if commit.size > 0 { commit.size } else { status.total };
    if want > 0 && want != size {
        let name = &status.ingest;
        let text = format!("unexpected commit size of {name}: {size} bytes, expected {want}");
        return Err(Error::precondition(text));
    }
    let digest = ingest.hasher.digest();
    match commit.expected.or(status.expected) {
        Some(want) if want != digest => {
            let text = format!("unexpected commit digest of {}: {digest}", status.ingest);
            Err(Error::precondition(format!("{text}, expected {want}")))
        }
        _ => Ok(()),
    }
}

/// The ingest, which was checked, becomes a blob of the namespace.
fn publish(state: &mut State, scope: &Scope, name: &str, commit: Commit) -> Result<Digest> {
    let digest = state.ingest(scope, name)?.hasher.digest();
    state.hold(scope, Resource::content(&digest))?;
    let room = state.room(scope);
    let ingest = room.ingests.remove(name).expect("it was found a few lines above");
    let there = room.blobs.contains_key(&digest);
    let _ = ingest.fate.set((ingest.epoch, digest));
    if !there {
        room.blobs.insert(digest, info(&ingest, commit));
        state.bytes.entry(digest).or_insert_with(|| ingest.bytes.into());
    }
    state.let_go(scope, &Resource::ingest(name));
    match there {
        true => Err(Error::already_exists(format!("content {digest}"))),
        false => Ok(digest),
    }
}

fn info(ingest: &Ingest, commit: Commit) -> Info {
    let (digest, now) = (ingest.hasher.digest(), time::now());
    let (size, labels) = (ingest.status.offset, commit.labels);
    Info { digest, size, created_at: now, updated_at: now, labels }
}
