//! What a request carries: nothing, a form, a document, or a part of a blob that is read as it is
//! sent. Each can be sent again from its start.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use varve_core::Error;
use varve_core::content::Reader;
use varve_core::remotes::Secret;

use crate::failure::Failure;

/// Bytes of a blob that are read at a time.
const READ: usize = 1 << 20;
/// Bytes that are handed to the connection at a time: so often a slow line shows that it moves.
const FRAME: usize = 64 << 10;

/// A request's body.
#[derive(Clone, Debug, Default)]
pub(crate) enum Payload {
    #[default]
    None,
    /// With a secret in it: such a request follows no redirect.
    Form(Secret),
    /// A document; or nothing at all, where that has to be said.
    Bytes(Bytes),
    Part(Part),
}

/// A part of a blob.
#[derive(Clone)]
pub(crate) struct Part {
    reader: Arc<dyn Reader>,
    range: Range<u64>,
    /// Told up to where the blob has been handed over.
    tell: Arc<dyn Fn(u64) + Send + Sync>,
    course: Arc<Course>,
}

/// How the sending of a part goes.
#[derive(Default)]
struct Course {
    /// Up to where it was handed over.
    at: AtomicU64,
    /// Why the blob could not be read.
    failure: Mutex<Option<Error>>,
}

impl Payload {
    /// Bytes that will be sent, where that has to be said beforehand.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Part(part) => Some(part.range.end - part.range.start),
            // hyper is silent about a body without bytes, and some registries ask for its length.
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::None | Self::Form(_) => None,
        }
    }

    /// The body, from its start.
    pub(crate) fn body(&self) -> Option<reqwest::Body> {
        match self {
            Self::None => None,
            Self::Form(form) => Some(form.expose().to_owned().into()),
            Self::Bytes(bytes) => Some(bytes.clone().into()),
            Self::Part(part) => Some(part.body()),
        }
    }

    /// Waits for the answer to a request with this body; `None` where nothing has moved for `stall`,
    /// or, once all of a part was handed over, for `settle`.
    pub(crate) async fn watch<T>(
        &self,
        answer: impl Future<Output = T>,
        stall: Duration,
        settle: Duration,
    ) -> Option<T> {
        tokio::pin!(answer);
        loop {
            let before = self.at();
            let all = self.part().is_some_and(|part| before == part.range.end);
            let limit = if all { settle } else { stall };
            match tokio::time::timeout(limit, &mut answer).await {
                Ok(answer) => return Some(answer),
                Err(_) if self.at() == before => return None,
                Err(_) => {}
            }
        }
    }

    /// Why what was to be sent could not be read, if that was the trouble.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let failure = self.part()?.course.failure.lock();
        Some(Failure::Final(failure.unwrap_or_else(PoisonError::into_inner).take()?))
    }

    fn part(&self) -> Option<&Part> {
        match self {
            Self::Part(part) => Some(part),
            _ => None,
        }
    }

    fn at(&self) -> u64 {
        self.part().map_or(0, |part| part.course.at.load(Ordering::Relaxed))
    }
}

impl Part {
    /// The bytes at `range` of `reader`.
    pub(crate) fn new(
        reader: Arc<dyn Reader>,
        range: Range<u64>,
        tell: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Self {
        Self { reader, range, tell, course: Arc::default() }
    }

    fn body(&self) -> reqwest::Body {
        let start = self.range.start;
        self.course.at.store(start, Ordering::Relaxed);
        let frames = stream::try_unfold((self.clone(), start, Bytes::new()), |state| async move {
            let (part, at, rest) = state;
            part.frame(at, rest).await.map(|frame| {
                frame.map(|(frame, rest)| {
                    let at = at + frame.len() as u64;
                    (frame, (part, at, rest))
                })
            })
        });
        reqwest::Body::wrap_stream(frames)
    }

    /// The next frame, and what is read already of those that follow it.
    async fn frame(&self, at: u64, rest: Bytes) -> Result<Option<(Bytes, Bytes)>, Unread> {
        if at >= self.range.end {
            return Ok(None);
        }
        let mut rest = match rest.is_empty() {
            true => self.read(at).await?,
            false => rest,
        };
        let frame = rest.split_to(FRAME.min(rest.len()));
        // It is not asked for what follows the last.
        let at = at + frame.len() as u64;
        self.course.at.store(at, Ordering::Relaxed);
        (self.tell)(at);
        Ok(Some((frame, rest)))
    }

    async fn read(&self, at: u64) -> Result<Bytes, Unread> {
        let left = usize::try_from(self.range.end - at).unwrap_or(READ);
        let error = match self.reader.read_at(at, left.min(READ)).await {
            Ok(bytes) if !bytes.is_empty() => return Ok(bytes),
            Ok(_) => Error::data_loss("a blob of the store ended before its size"),
            Err(error) => error,
        };
        *self.course.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Err(Unread)
    }
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("range", &self.range).finish_non_exhaustive()
    }
}

/// What the connection is told where the blob cannot be read; the reason is kept for the caller.
#[derive(Debug, thiserror::Error)]
#[error("what was to be sent cannot be read")]
struct Unread;
