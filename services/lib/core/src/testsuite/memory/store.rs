//! The store: its one lock, and the bell that rings at every change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::collector::Guest;
use super::state::State;

/// How long a follower waits for anything to move.
const STALL: Duration = Duration::from_secs(60);

/// A content store in memory. Clones share their state.
#[derive(Clone)]
pub struct Store(pub(super) Arc<Shared>);

pub(super) struct Shared {
    state: Mutex<State>,
    bell: watch::Sender<()>,
    pub(super) stall: Duration,
    /// Who attends collections. Held for the whole of one, so that one goes on at a time.
    pub(super) guests: tokio::sync::Mutex<BTreeMap<String, Guest>>,
}

impl Store {
    /// An empty store, whose followers wait a minute for something to move.
    pub fn new() -> Self {
        Self::stalling_after(STALL)
    }

    /// An empty store with a stall limit of its own.
    pub fn stalling_after(stall: Duration) -> Self {
        let (state, bell) = (Mutex::default(), watch::Sender::new(()));
        Self(Arc::new(Shared { state, bell, stall, guests: Default::default() }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    /// The state. A test that panicked under the lock has failed already; the others go on.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the followers. To be called with the lock let go.
    pub(super) fn ring(&self) {
        self.bell.send_replace(());
    }

    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }
}
