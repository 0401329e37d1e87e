//! Generations: what a collection may remove, and what is too new for it.
//!
//! They live in memory alone. A collection that began before this process did removes nothing.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use varve_core::Namespace;

/// The current generation, and what was made or used again since it was frozen. `touch`, `covers`
/// and `forget` are called inside transactions, which the database runs one at a time.
#[derive(Debug, Default)]
pub(crate) struct Generations(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    frozen: Option<u64>,
    fresh: HashSet<(Namespace, String)>,
}

impl Generations {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a generation: what is made from now on is newer.
    pub fn freeze(&self) -> u64 {
        let mut state = self.lock();
        // Beyond any of a process before this one.
        let now = varve_core::time::now().as_microsecond().unsigned_abs();
        let generation = state.frozen.map_or(now, |last| now.max(last + 1));
        state.frozen = Some(generation);
        state.fresh.clear();
        generation
    }

    /// Says, before it is recorded or used again, that a snapshot is to outlive the collection that
    /// goes on.
    pub fn touch(&self, namespace: &Namespace, key: &str) {
        let mut state = self.lock();
        if state.frozen.is_some() {
            state.fresh.insert((namespace.clone(), key.to_owned()));
        }
    }

    /// Whether a collection of `generation` may still remove at all.
    pub fn is_current(&self, generation: u64) -> bool {
        self.lock().frozen == Some(generation)
    }

    /// Whether a collection of `generation` may remove this snapshot.
    pub fn covers(&self, generation: u64, namespace: &Namespace, key: &str) -> bool {
        let state = self.lock();
        state.frozen == Some(generation)
            && !state.fresh.contains(&(namespace.clone(), key.to_owned()))
    }

    /// Forgets a snapshot that is gone.
    pub fn forget(&self, namespace: &Namespace, key: &str) {
        self.lock().fresh.remove(&(namespace.clone(), key.to_owned()));
    }
}
