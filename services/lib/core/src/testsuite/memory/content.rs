//! Blobs, and how ingests begin.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::follower::Chase;
use super::state::{Ingest, State};
use super::store::Store;
use super::writer::Pen;
use crate::content::{Content, Follower, Info, OpenWriter, Reader, Status, Writer};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::filter::{Fields, Filter};
use crate::labels::Labels;
use crate::leases::Resource;
use crate::mask::Mask;
use crate::scope::Scope;
use crate::time;

#[async_trait]
impl Content for Store {
    async fn info(&self, scope: &Scope, digest: &Digest) -> Result<Info> {
        self.lock().blob(scope, digest).cloned()
    }

    async fn update(
        &self,
        scope: &Scope,
        digest: &Digest,
        labels: &Labels,
        mask: &Mask,
    ) -> Result<Info> {
        mask.check(&[])?;
        let mut state = self.lock();
        state.blob(scope, digest)?;
        let info = state.room(scope).blobs.get_mut(digest).expect("it was found a line above");
        mask.apply_labels(&mut info.labels, labels)?;
        info.updated_at = time::now();
        Ok(info.clone())
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        let state = self.lock();
        pick(state.look(scope).into_iter().flat_map(|room| room.blobs.values()), filters)
    }

    async fn delete(&self, scope: &Scope, digest: &Digest) -> Result<()> {
        let mut state = self.lock();
        state.blob(scope, digest)?;
        state.room(scope).blobs.remove(digest);
        state.sweep();
        Ok(())
    }

    async fn reader(&self, scope: &Scope, digest: &Digest) -> Result<Arc<dyn Reader>> {
        let state = self.lock();
        state.blob(scope, digest)?;
        let bytes = state.bytes.get(digest);
        let lost = || Error::data_loss(format!("content {digest} has a record and no bytes"));
        Ok(Arc::new(Blob(bytes.ok_or_else(lost)?.clone())))
    }

    async fn status(&self, scope: &Scope, ingest: &str) -> Result<Status> {
        Ok(self.lock().ingest(scope, ingest)?.status.clone())
    }

    async fn list_statuses(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Status>> {
        let state = self.lock();
        let ingests = state.look(scope).into_iter().flat_map(|room| room.ingests.values());
        pick(ingests.map(|ingest| &ingest.status), filters)
    }

    async fn writer(&self, scope: &Scope, open: OpenWriter) -> Result<Box<dyn Writer>> {
        let pen = begin(self, &mut self.lock(), scope, open);
        self.0.ring();
        Ok(Box::new(pen?))
    }

    async fn abort(&self, scope: &Scope, ingest: &str) -> Result<()> {
        let mut state = self.lock();
        if state.ingest(scope, ingest)?.held {
            return Err(locked(ingest));
        }
        state.room(scope).ingests.remove(ingest);
        drop(state);
        self.0.ring();
        Ok(())
    }

    async fn follow(&self, _: &Scope, digest: &Digest) -> Result<Box<dyn Follower>> {
        Ok(Box::new(Chase::new(self.0.clone(), *digest)))
    }
}

/// Those that match, cloned.
pub(super) fn pick<'a, T: Fields + Clone + 'a>(
    all: impl Iterator<Item = &'a T>,
    filters: &[String],
) -> Result<Vec<T>> {
    let filter = Filter::parse(filters)?;
    Ok(all.filter(|noun| filter.matches(*noun)).cloned().collect())
}

fn locked(ingest: &str) -> Error {
    Error::unavailable(format!("ref {ingest} is locked by another writer; try again"))
}

fn begin(store: &Store, state: &mut State, scope: &Scope, open: OpenWriter) -> Result<Pen> {
    if open.ingest.is_empty() {
        return Err(Error::invalid("an ingest needs a ref"));
    }
    if let Some(digest) = open.expected {
        refuse_known(state, scope, &open.ingest, &digest)?;
    }
    if state.ingest(scope, &open.ingest).is_ok_and(|ingest| ingest.held) {
        return Err(locked(&open.ingest));
    }
    state.hold(scope, Resource::ingest(&open.ingest))?;
    let ingest = resume(state, scope, &open);
    ingest.held = true;
    Ok(Pen::new(store.0.clone(), scope.clone(), ingest.status.clone()))
}

/// AlreadyExists where the namespace has `digest`; then the lease has it too, and the ingest goes.
fn refuse_known(state: &mut State, scope: &Scope, ingest: &str, digest: &Digest) -> Result<()> {
    if state.blob(scope, digest).is_err() {
        return Ok(());
    }
    state.hold(scope, Resource::content(digest))?;
    if state.ingest(scope, ingest).is_ok_and(|ingest| !ingest.held) {
        state.room(scope).ingests.remove(ingest);
    }
    Err(Error::already_exists(format!("content {digest}")))
}

/// The ingest as it is left, or a new one.
fn resume<'a>(state: &'a mut State, scope: &Scope, open: &OpenWriter) -> &'a mut Ingest {
    if state.ingest(scope, &open.ingest).is_err() {
        let fresh = conceive(state, open);
        state.room(scope).ingests.insert(open.ingest.clone(), fresh);
    }
    let ingest = state.ingest(scope, &open.ingest).expect("it was put there a line above");
    if open.total > 0 {
        ingest.status.total = open.total;
    }
    ingest.status.expected = open.expected.or(ingest.status.expected);
    ingest
}

/// A new ingest: empty, or whole where another namespace has the expected blob.
fn conceive(state: &mut State, open: &OpenWriter) -> Ingest {
    state.births += 1;
    let now = time::now();
    let status = Status {
        ingest: open.ingest.clone(),
        offset: 0,
        total: 0,
        expected: None,
        started_at: now,
        updated_at: now,
    };
    let mut ingest = Ingest {
        birth: state.births,
        epoch: 0,
        held: false,
        status,
        bytes: Vec::new(),
        hasher: Hasher::new(),
        fate: Arc::default(),
    };
    if let Some(bytes) = open.expected.and_then(|digest| state.bytes.get(&digest)) {
        ingest.append(bytes);
        ingest.status.total = bytes.len() as u64;
    }
    ingest
}

struct Blob(Bytes);

#[async_trait]
impl Reader for Blob {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        let start = usize::try_from(offset).ok().filter(|start| *start <= self.0.len());
        let beyond = || Error::new(crate::Kind::OutOfRange, format!("offset {offset}"));
        let start = start.ok_or_else(beyond)?;
        Ok(self.0.slice(start..self.0.len().min(start.saturating_add(len))))
    }
}
