//! Blobs that were opened a moment ago, and are kept open for whoever reads them next.
//!
//! containerd's own clients read 32 KiB at a time, each time with a request of its own: to look for the
//! record and to open the file again would cost more than the bytes do.
//!
//! What is kept may be given to those who ask while the blob is being removed, and never after that was
//! answered: a removal lets go of all that is kept, and of what was looked for before it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use varve_core::{Digest, Namespace};

use super::blob::Blob;

/// Each keeps one file open. Whoever unpacks reads some layers side by side.
const MOST: usize = 16;

/// The blobs that are kept open.
#[derive(Default)]
pub struct Opened(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    removals: u64,
    /// What was asked for last is at the back.
    blobs: VecDeque<(Namespace, Arc<Blob>)>,
}

/// Before a blob is looked for.
#[derive(Clone, Copy)]
pub struct Moment(u64);

impl Opened {
    /// The blob, where it was open and its file is still what it was.
    pub fn get(&self, namespace: &Namespace, digest: &Digest) -> Option<Arc<Blob>> {
        let mut kept = self.lock();
        let at = kept.blobs.iter().position(|(space, blob)| {
            // The digest differs sooner than the namespace.
            blob.digest == *digest && space == namespace
        })?;
        let (space, blob) = kept.blobs.remove(at)?;
        if !blob.is_whole() {
            return None;
        }
        kept.blobs.push_back((space, Arc::clone(&blob)));
        Some(blob)
    }

    pub fn moment(&self) -> Moment {
        Moment(self.lock().removals)
    }

    /// Keeps a blob that was looked for after `moment`, unless some blob was removed meanwhile: it may
    /// have been this one.
    pub fn keep(&self, moment: Moment, namespace: Namespace, blob: &Arc<Blob>) {
        let mut kept = self.lock();
        if kept.removals != moment.0 {
            return;
        }
        if kept.blobs.len() == MOST {
            kept.blobs.pop_front();
        }
        kept.blobs.push_back((namespace, Arc::clone(blob)));
    }

    /// Called once records of blobs are gone, and before that is answered.
    pub fn let_go(&self) {
        let mut kept = self.lock();
        kept.removals += 1;
        kept.blobs.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
