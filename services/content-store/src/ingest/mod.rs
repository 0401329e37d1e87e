//! Ingests: bytes on their way to become blobs.
//!
//! An ingest is a directory `ingest/<hash of namespace and ref>/` with `about` (what it is) and
//! `data` (what it has). It survives a restart; its offset is its file's length, its hash is made
//! again from the file. In memory each has one [`Ingest`], shared by its writer, its thread and its
//! followers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use varve_core::content::Status;
use varve_core::{Digest, Namespace, Timestamp};

pub mod about;
pub mod channel;
pub mod commit;
pub mod follower;
pub mod opened;
pub mod pump;
pub mod table;
pub mod writer;

pub use table::Table;

/// One ingest.
pub struct Ingest {
    pub namespace: Namespace,
    pub reference: String,
    pub dir: PathBuf,
    pub started_at: Timestamp,
    aims: Mutex<Aims>,
    /// Bytes that a writer took, and when; those in the file may be fewer by what is in flight.
    taken: Mutex<(u64, Timestamp)>,
    held: AtomicBool,
    /// Has it who may touch the file. A dropped writer's thread keeps it until its bytes are there.
    pub baton: Arc<tokio::sync::Mutex<()>>,
    pub progress: watch::Sender<Progress>,
}

/// What it is to become, as far as somebody said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Aims {
    /// 0 for unknown.
    pub total: u64,
    pub expected: Option<Digest>,
}

/// How far an ingest is, as its followers see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Raised by every truncation: bytes of another epoch mean nothing.
    pub epoch: u64,
    /// Bytes that can be read from the file.
    pub offset: u64,
    pub end: Option<End>,
}

/// How an ingest ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Committed(Digest),
    Gone,
}

impl Ingest {
    pub fn new(about: &about::About, dir: PathBuf, offset: u64, updated_at: Timestamp) -> Self {
        Self {
            namespace: about.namespace.clone(),
            reference: about.reference.clone(),
            dir,
            started_at: about.started_at,
            aims: Mutex::new(Aims { total: about.total, expected: about.expected }),
            taken: Mutex::new((offset, updated_at)),
            held: AtomicBool::new(false),
            baton: Arc::default(),
            progress: watch::Sender::new(Progress { epoch: 0, offset, end: None }),
        }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub fn aims(&self) -> Aims {
        *self.lock_aims()
    }

    /// Takes what a writer knows; what it does not, stays.
    pub fn aim(&self, total: u64, expected: Option<Digest>) -> Aims {
        let mut aims = self.lock_aims();
        if total > 0 {
            aims.total = total;
        }
        aims.expected = expected.or(aims.expected);
        *aims
    }

    pub fn status(&self) -> Status {
        let (aims, (offset, updated_at)) = (self.aims(), self.taken());
        Status {
            ingest: self.reference.clone(),
            offset,
            total: aims.total,
            expected: aims.expected,
            started_at: self.started_at,
            updated_at,
        }
    }

    /// Bytes that were taken, and when the last of them were.
    pub fn taken(&self) -> (u64, Timestamp) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A writer took bytes, or gave some up: there are `offset` now.
    pub fn take(&self, offset: u64) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        *taken = (offset, varve_core::time::now());
    }

    /// A writer found `offset` bytes: no news, unless the last writer failed.
    pub fn found(&self, offset: u64) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).0 = offset;
        self.advance(offset);
    }

    /// Becomes the ingest's one holder, if there is none.
    pub fn hold(self: &Arc<Self>) -> Option<Held> {
        let free = self.held.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
        free.is_ok().then(|| Held(Arc::clone(self)))
    }

    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Tells followers of bytes that can be read now.
    pub fn advance(&self, offset: u64) {
        self.progress.send_modify(|progress| progress.offset = offset);
    }

    /// Tells followers that what they have read means nothing.
    pub fn restart(&self) {
        self.progress.send_modify(|progress| {
            progress.epoch += 1;
            progress.offset = 0;
        });
    }

    /// Tells followers how it ended.
    pub fn end(&self, end: End) {
        self.progress.send_modify(|progress| progress.end = Some(end));
    }

    fn lock_aims(&self) -> MutexGuard<'_, Aims> {
        self.aims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to write to an ingest or to remove it; let go by dropping it.
pub struct Held(pub Arc<Ingest>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Release);
    }
}
