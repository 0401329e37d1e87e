//! Work that tells how far it is, as a stream: positions while it goes on, and the result last.
//!
//! The work lives as long as its stream: a client that goes away has cancelled it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use varve_core::{Error, Result};

use crate::status::to_status;

/// Positions that nobody has taken yet; when more come they are left out.
const WAITING: usize = 4;
/// Bytes between two positions: bars move smoothly, and messages stay few.
const STEP: u64 = 512 << 10;

/// The answers of one request.
#[derive(Debug)]
pub struct Told<T> {
    answers: mpsc::Receiver<Result<T, Status>>,
    _work: AbortOnDropHandle<()>,
}

impl<T> Stream for Told<T> {
    type Item = Result<T, Status>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.answers.poll_recv(context)
    }
}

/// Where work tells of itself.
#[derive(Debug)]
pub struct Teller<T> {
    answers: mpsc::Sender<Result<T, Status>>,
    at: Arc<AtomicU64>,
}

impl<T> Clone for Teller<T> {
    fn clone(&self) -> Self {
        Self { answers: self.answers.clone(), at: self.at.clone() }
    }
}

impl<T> Teller<T> {
    /// Tells `answer`, unless the client is behind: then it is told of later ones.
    pub fn tell(&self, answer: T) {
        let _ = self.answers.try_send(Ok(answer));
    }

    /// Tells of a position, where it is far enough from the last that was told.
    pub fn at(&self, bytes: u64, answer: impl FnOnce(u64) -> T) {
        let last = self.at.load(Ordering::Relaxed);
        if bytes < last || bytes - last >= STEP || last == 0 {
            self.at.store(bytes, Ordering::Relaxed);
            self.tell(answer(bytes));
        }
    }
}

/// Runs `work` and answers what it tells and what comes of it.
pub fn told<T, F>(work: impl FnOnce(Teller<T>) -> F) -> Told<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (sender, answers) = mpsc::channel(WAITING);
    let teller = Teller { answers: sender.clone(), at: Arc::default() };
    let work = work(teller);
    let task = tokio::spawn(async move {
        let last = work.await.map_err(to_status);
        let _ = sender.send(last).await;
    });
    Told { answers, _work: AbortOnDropHandle::new(task) }
}

/// A stream that ended without its result.
pub fn cut_off() -> Error {
    Error::unavailable("the service went away before it was done")
}
