//! Who is unpacking what: each chain id once at a time, and word to those that wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedMutexGuard, futures::Notified};
use varve_core::ChainId;

/// The unpacks that go on.
#[derive(Default)]
pub(crate) struct Flights {
    by_chain: Arc<Mutex<HashMap<ChainId, Entry>>>,
    landed: Arc<Notify>,
}

struct Entry {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Those that have the turn or wait for it.
    count: usize,
}

/// The turn to unpack one chain id; dropping it passes the turn on, and tells all that wait.
pub(crate) struct Flight {
    chain: ChainId,
    by_chain: Arc<Mutex<HashMap<ChainId, Entry>>>,
    landed: Arc<Notify>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Flights {
    /// Waits until nobody else unpacks `chain`.
    pub(crate) async fn enter(&self, chain: ChainId) -> Flight {
        let turn = {
            let mut flights = lock(&self.by_chain);
            let entry =
                flights.entry(chain).or_insert_with(|| Entry { turn: Arc::default(), count: 0 });
            entry.count += 1;
            Arc::clone(&entry.turn)
        };
        // Counts as one from here on, even where this future is dropped while it waits.
        let (by_chain, landed) = (Arc::clone(&self.by_chain), Arc::clone(&self.landed));
        let mut flight = Flight { chain, by_chain, landed, turn: None };
        flight.turn = Some(turn.lock_owned().await);
        flight
    }

    /// Whether somebody unpacks `chain` or waits to.
    pub(super) fn has(&self, chain: ChainId) -> bool {
        lock(&self.by_chain).contains_key(&chain)
    }

    /// Resolves at the next end of any unpack after it was enabled.
    pub(super) fn landed(&self) -> Notified<'_> {
        self.landed.notified()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        drop(self.turn.take());
        let mut flights = lock(&self.by_chain);
        if let Some(entry) = flights.get_mut(&self.chain) {
            entry.count -= 1;
            if entry.count == 0 {
                flights.remove(&self.chain);
            }
        }
        drop(flights);
        self.landed.notify_waiters();
    }
}

fn lock(flights: &Mutex<HashMap<ChainId, Entry>>) -> MutexGuard<'_, HashMap<ChainId, Entry>> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use varve_core::Digest;

    #[tokio::test]
    async fn a_chain_id_has_one_flight_at_a_time_and_leaves_nothing_behind() {
        let flights = Flights::default();
        let chain = ChainId(Digest::of(b"x"));
        let first = flights.enter(chain).await;
        let waiting =
            tokio::time::timeout(std::time::Duration::from_millis(20), flights.enter(chain));
        assert!(waiting.await.is_err());
        assert!(flights.has(chain));
        drop(first);
        assert!(!flights.has(chain));
        drop(flights.enter(chain).await);
        assert!(lock(&flights.by_chain).is_empty());
    }
}
