//! Bytes behind whoever writes them.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;

use super::state::{Ingest, State};
use super::store::Shared;
use crate::content::Follower;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

/// Most bytes of one answer.
const CHUNK: usize = 1 << 20;

/// Follows one digest from its start.
pub(super) struct Chase {
    store: Arc<Shared>,
    digest: Digest,
    at: usize,
    source: Source,
}

/// Where the bytes come from.
enum Source {
    /// Nobody has it yet.
    Nowhere,
    Ingest {
        birth: u64,
        epoch: u64,
        fate: Arc<OnceLock<(u64, Digest)>>,
    },
    Blob(Bytes),
}

/// What a look at the store gave.
enum Seen {
    Bytes(Bytes),
    End,
    NothingNew,
}

impl Chase {
    pub fn new(store: Arc<Shared>, digest: Digest) -> Self {
        Self { store, digest, at: 0, source: Source::Nowhere }
    }

    fn look(&mut self) -> Result<Seen> {
        let store = self.store.clone();
        let state = store.lock();
        self.settle(&state)?;
        let bytes = match &self.source {
            Source::Nowhere => return Ok(Seen::NothingNew),
            Source::Blob(bytes) if self.at == bytes.len() => return Ok(Seen::End),
            Source::Blob(bytes) => bytes.slice(self.at..bytes.len().min(self.at + CHUNK)),
            Source::Ingest { birth, .. } => match find(&state, |ingest| ingest.birth == *birth) {
                Some(ingest) => {
                    let end = ingest.bytes.len().min(self.at + CHUNK);
                    Bytes::copy_from_slice(&ingest.bytes[self.at..end])
                }
                None => return Err(self.lost()),
            },
        };
        self.at += bytes.len();
        Ok(if bytes.is_empty() { Seen::NothingNew } else { Seen::Bytes(bytes) })
    }

    /// Finds a source, or what has become of the one there was.
    fn settle(&mut self, state: &State) -> Result<()> {
        let digest = self.digest;
        let blob = state.bytes.get(&digest).cloned();
        match &self.source {
            Source::Nowhere => match (blob, find(state, |i| i.status.expected == Some(digest))) {
                (Some(bytes), _) => self.source = Source::Blob(bytes),
                (None, Some(ingest)) => self.source = from(ingest),
                (None, None) => {}
            },
            Source::Ingest { birth, epoch, fate } => {
                let now = find(state, |ingest| ingest.birth == *birth);
                let same = |i: &Ingest| i.epoch == *epoch && i.status.expected == Some(digest);
                let kept = fate.get() == Some(&(*epoch, digest));
                match (now, blob) {
                    (Some(ingest), _) if same(ingest) => {}
                    (None, Some(bytes)) if kept => self.source = Source::Blob(bytes),
                    _ => return Err(self.lost()),
                }
            }
            Source::Blob(_) => {}
        }
        Ok(())
    }

    fn lost(&self) -> Error {
        let digest = self.digest;
        Error::aborted(format!("the ingest of {digest} was truncated or dropped; begin anew"))
    }
}

fn from(ingest: &Ingest) -> Source {
    let (birth, epoch, fate) = (ingest.birth, ingest.epoch, ingest.fate.clone());
    Source::Ingest { birth, epoch, fate }
}

fn find(state: &State, test: impl Fn(&Ingest) -> bool) -> Option<&Ingest> {
    state.rooms.values().flat_map(|room| room.ingests.values()).find(|ingest| test(ingest))
}

#[async_trait]
impl Follower for Chase {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut bell = self.store.listen();
        loop {
            bell.mark_unchanged();
            match self.look()? {
                Seen::Bytes(bytes) => return Ok(Some(bytes)),
                Seen::End => return Ok(None),
                Seen::NothingNew => {}
            }
            if tokio::time::timeout(self.store.stall, bell.changed()).await.is_err() {
                let text = format!("nothing moved of {} for too long", self.digest);
                return Err(Error::new(Kind::DeadlineExceeded, text));
            }
        }
    }
}
