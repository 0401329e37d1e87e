//! Single flight: a digest is downloaded once in this process, however many ask for it. Those who
//! wait hear how far the one is, and then have their turn: they find the blob, or go on from where
//! the one was dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, watch};
use varve_core::remotes::{Event, Progress};
use varve_core::{Digest, Error, Kind, Result};

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
    ///
    /// # Errors
    /// DeadlineExceeded where that has come no further for `patience`: each of those in line would try for
    /// as long, and the last would wait for all of them.
    pub(crate) async fn board(
        &self,
        digest: Digest,
        progress: &Progress,
        patience: Duration,
    ) -> Result<Flight> {
        let shared = self.shared(digest);
        let (mut at, mut most, mut since) = (shared.at.subscribe(), 0, Instant::now());
        let turn = Arc::clone(&shared.turn).lock_owned();
        tokio::pin!(turn);
        loop {
            tokio::select! {
                biased;
                turn = &mut turn => {
                    return Ok(Flight { shared, _turn: turn });
                }
                Ok(()) = at.changed() => {
                    let here = *at.borrow_and_update();
                    progress.tell(Event::At(here));
                    if here > most {
                        (most, since) = (here, Instant::now());
                    }
                }
                () = tokio::time::sleep(patience.saturating_sub(since.elapsed())) => {
                    return Err(stuck(digest, patience));
                }
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

fn stuck(digest: Digest, patience: Duration) -> Error {
    let seconds = patience.as_secs_f64();
    let message =
        format!("another download of {digest} has not moved for {seconds} s; try again later");
    Error::new(Kind::DeadlineExceeded, message)
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

    async fn board(flights: &Flights, digest: Digest, progress: &Progress) -> Flight {
        flights.board(digest, progress, Duration::from_secs(60)).await.unwrap()
    }

    #[tokio::test]
    async fn the_second_waits_hears_of_the_first_and_then_has_its_turn() {
        let flights = Arc::new(Flights::default());
        let digest = Digest::of(b"x");
        let first = board(&flights, digest, &Progress::ignored()).await;
        let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let progress = Progress::new(move |event| sender.send(event).unwrap());
        let waiting = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { board(&flights, digest, &progress).await }
        });
        tokio::task::yield_now().await;
        first.tell(7);
        assert_eq!(heard.recv().await, Some(Event::At(7)));
        assert!(!waiting.is_finished());
        drop(first);
        drop(waiting.await.unwrap());
        board(&flights, Digest::of(b"y"), &Progress::ignored()).await;
        assert_eq!(flights.0.lock().unwrap().len(), 1, "ended flights are forgotten");
    }

    #[tokio::test]
    async fn whoever_waits_for_one_that_does_not_move_leaves_the_line() {
        let (flights, digest) = (Arc::new(Flights::default()), Digest::of(b"x"));
        let first = board(&flights, digest, &Progress::ignored()).await;
        let patience = Duration::from_millis(200);
        let began = Instant::now();
        let waiting = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.board(digest, &Progress::ignored(), patience).await.err() }
        });
        for at in [1, 2, 2, 2] {
            tokio::time::sleep(Duration::from_millis(100)).await;
            // That it is tried again is no movement.
            first.tell(at);
        }
        let error = waiting.await.unwrap().expect("it was not its turn");
        assert_eq!(error.kind(), Kind::DeadlineExceeded);
        assert!(began.elapsed() >= 2 * patience, "it moved for a while: {:?}", began.elapsed());
    }
}
