//! Single flight: a digest is downloaded once in this process, however many ask for it. Those who
//! wait hear how far the one is, and then have their turn: they find the blob, or go on from where
//! the one was dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, watch};
use varve_core::Digest;
use varve_core::remotes::{Event, Progress};

#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<Digest, Weak<Shared>>>);

struct Shared {
    turn: Arc<Turn<()>>,
    at: watch::Sender<u64>,
}

/// The turn to download one digest, until it is dropped.
pub(crate) struct Flight {
    shared: Arc<Shared>,
    _turn: OwnedMutexGuard<()>,
}

impl Flights {
    /// Waits for the turn; tells `progress` how far the one who has it is.
    pub(crate) async fn board(&self, digest: Digest, progress: &Progress) -> Flight {
        let shared = self.shared(digest);
        let mut at = shared.at.subscribe();
        let turn = Arc::clone(&shared.turn).lock_owned();
        tokio::pin!(turn);
        loop {
            tokio::select! {
                biased;
                turn = &mut turn => {
                    return Flight { shared, _turn: turn };
                }
                Ok(()) = at.changed() => progress.tell(Event::At(*at.borrow_and_update())),
            }
        }
    }

    fn shared(&self, digest: Digest) -> Arc<Shared> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = flights.get(&digest).and_then(Weak::upgrade) {
            return shared;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let shared = Arc::new(Shared { turn: Arc::default(), at: watch::Sender::new(0) });
        flights.insert(digest, Arc::downgrade(&shared));
        shared
    }
}

impl Flight {
    /// Tells those who wait.
    pub(crate) fn tell(&self, at: u64) {
        self.shared.at.send_replace(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_hears_of_the_first_and_then_has_its_turn() {
        let flights = Arc::new(Flights::default());
        let digest = Digest::of(b"x");
        let first = flights.board(digest, &Progress::ignored()).await;
        let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let progress = Progress::new(move |event| sender.send(event).unwrap());
        let waiting = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.board(digest, &progress).await }
        });
        tokio::task::yield_now().await;
        first.tell(7);
        assert_eq!(heard.recv().await, Some(Event::At(7)));
        assert!(!waiting.is_finished());
        drop(first);
        drop(waiting.await.unwrap());
        flights.board(Digest::of(b"y"), &Progress::ignored()).await;
        assert_eq!(flights.0.lock().unwrap().len(), 1, "ended flights are forgotten");
    }
}
