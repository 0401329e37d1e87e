//! Snapshotters in memory that attend.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use varve_core::collect::{Attendee, Frozen};
use varve_core::testsuite::memory;
use varve_core::{Error, Namespace, Result};

/// A driver that can fall silent.
pub struct Guest {
    pub snapshots: memory::Snapshots,
    pub silent: AtomicBool,
}

#[async_trait]
impl Attendee for Guest {
    async fn freeze(&self) -> Result<Frozen> {
        match self.silent.load(Ordering::Relaxed) {
            true => Err(Error::unavailable("silent")),
            false => self.snapshots.freeze().await,
        }
    }

    async fn remove(&self, generation: u64, doomed: Vec<(Namespace, String)>) -> Result<u64> {
        Attendee::remove(&self.snapshots, generation, doomed).await
    }
}
