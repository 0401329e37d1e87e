//! A place to extract, which is somebody else's while nothing comes.
//!
//! A registry may send as slowly as it likes: who waits for it must not keep the others from unpacking.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long nothing comes until a place is given back.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Extractions that may wait without a place, in this process: each holds its decoder's window all the same. One host is
/// asked for six blobs at once.
pub(super) static PARKED: Semaphore = Semaphore::const_new(8);

/// The place of one extraction. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Place(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Place {
    pub(super) fn take(&self, permit: OwnedSemaphorePermit) {
        self.set(Some(permit));
    }

    pub(super) fn give_back(&self) {
        self.set(None);
    }

    fn set(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}
