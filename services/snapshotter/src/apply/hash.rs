//! The diff id, on a thread of its own: for one large layer inflating is what takes longest, and hashing
//! beside it costs nothing but another core.

use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use varve_core::{DiffId, Hasher};

use super::ApplyError;

/// Hashes what it is given, in order. What waits are the pipe's buffers, of which there are few.
pub(super) struct HashThread {
    queue: Option<Sender<Bytes>>,
    thread: Option<JoinHandle<DiffId>>,
}

impl HashThread {
    pub(super) fn start() -> Result<Self, ApplyError> {
        let (queue, bytes) = channel::<Bytes>();
        let hash = move || {
            let mut hasher = Hasher::new();
            bytes.iter().for_each(|bytes| hasher.update(&bytes));
            DiffId(hasher.digest())
        };
        let thread = Builder::new()
            .name("varve-hash".into())
            .spawn(hash)
            .map_err(|error| ApplyError::Panicked(format!("cannot start a thread: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) fn update(&self, bytes: Bytes) {
        // It only goes away by a panic, which `finish` tells of.
        let _ = self.queue.as_ref().map(|queue| queue.send(bytes));
    }

    /// The digest of all there was.
    pub(super) fn finish(mut self) -> Result<DiffId, ApplyError> {
        self.queue = None;
        let thread = self.thread.take().expect("it is taken here and in drop alone");
        thread.join().map_err(ApplyError::panicked)
    }
}

impl Drop for HashThread {
    /// No thread outlives an apply.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
