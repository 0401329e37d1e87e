//! Who is unpacking what: each chain id from each blob once at a time, and word to those that wait for it.
//!
//! A config claims what chain id it likes. One that claims a known image's for a blob of its own must not have the turn
//! of those who bring the right one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedMutexGuard, futures::Notified};
use varve_core::{ChainId, Digest};

/// What is unpacked, as it is claimed, and from what.
type Key = (ChainId, Digest);

/// The unpacks that go on.
#[derive(Default)]
pub(crate) struct Flights {
    by_key: Arc<Mutex<HashMap<Key, Entry>>>,
    landed: Arc<Notify>,
}

struct Entry {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Those that have the turn or wait for it.
    count: usize,
}

/// The turn to unpack one layer; dropping it passes the turn on, and tells all that wait.
pub(crate) struct Flight {
    key: Key,
    by_key: Arc<Mutex<HashMap<Key, Entry>>>,
    landed: Arc<Notify>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Flights {
    /// Waits until nobody else unpacks `chain` from `blob`.
    pub(crate) async fn enter(&self, chain: ChainId, blob: Digest) -> Flight {
        let key = (chain, blob);
        let turn = {
            let mut flights = lock(&self.by_key);
            let entry =
                flights.entry(key).or_insert_with(|| Entry { turn: Arc::default(), count: 0 });
            entry.count += 1;
            Arc::clone(&entry.turn)
        };
        // Counts as one from here on, even where this future is dropped while it waits.
        let (by_key, landed) = (Arc::clone(&self.by_key), Arc::clone(&self.landed));
        let mut flight = Flight { key, by_key, landed, turn: None };
        flight.turn = Some(turn.lock_owned().await);
        flight
    }

    /// Whether somebody unpacks `chain` or waits to.
    pub(super) fn has(&self, chain: ChainId) -> bool {
        lock(&self.by_key).keys().any(|key| key.0 == chain)
    }

    /// Resolves at the next end of any unpack after it was enabled.
    pub(super) fn landed(&self) -> Notified<'_> {
        self.landed.notified()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        drop(self.turn.take());
        let mut flights = lock(&self.by_key);
        if let Some(entry) = flights.get_mut(&self.key) {
            entry.count -= 1;
            if entry.count == 0 {
                flights.remove(&self.key);
            }
        }
        drop(flights);
        self.landed.notify_waiters();
    }
}

fn lock(flights: &Mutex<HashMap<Key, Entry>>) -> MutexGuard<'_, HashMap<Key, Entry>> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_layer_has_one_flight_at_a_time_and_leaves_nothing_behind() {
        let flights = Flights::default();
        let (chain, blob) = (ChainId(Digest::of(b"x")), Digest::of(b"blob"));
        let first = flights.enter(chain, blob).await;
        drop(flights.enter(chain, Digest::of(b"another")).await);
        let waiting =
            tokio::time::timeout(std::time::Duration::from_millis(20), flights.enter(chain, blob));
        assert!(waiting.await.is_err());
        assert!(flights.has(chain));
        drop(first);
        assert!(!flights.has(chain));
        drop(flights.enter(chain, blob).await);
        assert!(lock(&flights.by_key).is_empty());
    }
}
