//! The upload of one blob, in parts that go on where the last one ended (distribution-spec, *Pushing a blob
//! in chunks*).
//!
//! After anything that breaks, the registry is asked how much it has. Where it has lost the upload, or
//! does not tell, another is begun. Registries that take no second part get all of the rest as one; those
//! that find a part too large get smaller ones.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use varve_core::content::Reader;
use varve_core::{Descriptor, Error, Result};

use crate::exchange::{Answer, Request};
use crate::failure::Failure;
use crate::payload::{Part, Payload};
use crate::push::{Pusher, Sent};
use crate::retry::Budget;
use crate::session::Session;

/// Parts are not made smaller than this: a proxy that takes less takes no layer at all.
const SMALLEST: u64 = 1 << 20;
/// By how much a part that is too large is made smaller.
const SHRINK: u64 = 8;
/// Less than this of a part, where more was sent, is as good as nothing.
const LITTLE: u64 = 1 << 20;

pub(crate) struct Upload<'a> {
    pusher: &'a Pusher,
    blob: &'a Descriptor,
    noun: String,
    reader: Arc<dyn Reader>,
    sent: Sent,
    /// Most bytes of a part; `None` for all that is left.
    part: Option<u64>,
}

/// How far it is.
#[derive(Debug)]
enum Course {
    /// Nothing has begun, or it was lost.
    New,
    /// The next part is due.
    Due(Session),
    /// Something broke: how much is there is not known.
    Unsure(Session),
}

/// Why it does not go on.
enum Snag {
    /// The registry is to be asked how much it has.
    Broken(Failure),
    /// It has lost the upload, or does not go on with it.
    Lost(Failure),
    /// The part had this many bytes, which is too many.
    TooLarge(Failure, u64),
}

impl From<varve_core::Error> for Snag {
    fn from(error: varve_core::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl<'a> Upload<'a> {
    pub(crate) fn new(
        pusher: &'a Pusher,
        blob: &'a Descriptor,
        reader: Arc<dyn Reader>,
        sent: Sent,
    ) -> Self {
        let part = Some(pusher.config().upload_chunk.max(1));
        Self { pusher, blob, noun: pusher.noun(blob), reader, sent, part }
    }

    pub(crate) async fn run(mut self, begun: Option<Session>, budget: &mut Budget) -> Result<()> {
        let mut course = begun.map_or(Course::New, Course::Due);
        loop {
            let snag = match self.advance(&mut course, budget).await {
                Ok(()) => return Ok(()),
                Err(snag) => snag,
            };
            self.survive(snag, &mut course, budget).await?;
        }
    }

    /// Goes on to the end, or to the first snag; `course` is how far that is.
    async fn advance(&self, course: &mut Course, budget: &mut Budget) -> Result<(), Snag> {
        let mut session = match std::mem::replace(course, Course::New) {
            Course::New => self.begin().await?,
            Course::Due(session) => session,
            Course::Unsure(session) => {
                *course = Course::Unsure(session.clone());
                match self.status(&session).await? {
                    Some(session) => session,
                    None if self.arrived(budget).await? => return Ok(()),
                    None => self.begin().await?,
                }
            }
        };
        *course = Course::Unsure(session.clone());
        while session.at < self.blob.size {
            let (next, sent) = self.patch(&session).await?;
            budget.reached(next.at);
            let taken = next.at - session.at;
            session = next;
            *course = Course::Unsure(session.clone());
            if taken < sent.min(LITTLE) {
                *course = Course::Due(session);
                return Err(self.picky(taken, sent));
            }
        }
        self.finish(&session).await
    }

    /// Some registries take less than they are sent. One that takes a byte at a time is not followed
    /// through a layer.
    fn picky(&self, taken: u64, sent: u64) -> Snag {
        let noun = &self.noun;
        let message = format!("{noun}: the registry took {taken} of {sent} bytes");
        Snag::Broken(Failure::passing(Error::unavailable(message)))
    }

    async fn survive(
        &mut self,
        snag: Snag,
        course: &mut Course,
        budget: &mut Budget,
    ) -> Result<()> {
        let failure = match snag {
            Snag::Broken(failure) => failure,
            Snag::Lost(failure) => {
                *course = Course::New;
                self.part = None;
                failure
            }
            Snag::TooLarge(failure, bytes) if bytes > SMALLEST && self.part.is_some() => {
                self.part = Some((bytes / SHRINK).max(SMALLEST));
                tracing::debug!(noun = self.noun, bytes, "the registry wants smaller parts");
                let error = failure.into_error();
                Failure::passing(error)
            }
            Snag::TooLarge(failure, _) => failure,
        };
        budget.survive(failure).await
    }

    async fn begin(&self) -> Result<Session, Snag> {
        let request = Request::new(Method::POST, self.pusher.uploads());
        let answer = self.ask(request.carrying(Payload::Bytes(Bytes::new()))).await?;
        match answer.status().is_success() {
            true => Ok(Session::begun(&self.noun, &answer)?),
            false => Err(Snag::Broken(self.refusal(answer).await)),
        }
    }

    /// How much of it is there; `None` where the registry has lost it or does not tell.
    async fn status(&self, session: &Session) -> Result<Option<Session>, Snag> {
        let answer = self.ask(Request::new(Method::GET, session.location.clone())).await?;
        if !answer.status().is_success() {
            // That it is gone is told in many ways.
            let busy = answer.status().is_server_error() || answer.status().as_u16() == 429;
            return match busy {
                true => Err(Snag::Broken(self.refusal(answer).await)),
                false => Ok(None),
            };
        }
        let told = session.as_told(&self.noun, &answer)?;
        Ok(told.filter(|session| session.at <= self.blob.size))
    }

    /// Whether an upload that is no longer known has become the blob: its last answer may have been lost.
    async fn arrived(&self, budget: &mut Budget) -> Result<bool, Snag> {
        Ok(self.pusher.has(self.blob, budget).await?)
    }

    /// Sends the next part; the upload after it, and how many bytes were sent.
    async fn patch(&self, session: &Session) -> Result<(Session, u64), Snag> {
        let left = self.blob.size - session.at;
        let most = self.part.map_or(left, |part| part.max(session.least));
        let end = session.at + left.min(most);
        let range = HeaderValue::from_str(&format!("{}-{}", session.at, end - 1))
            .expect("numbers fit into a header");
        let part = Part::new(self.reader.clone(), session.at..end, self.sent.clone());
        let request = Request::new(Method::PATCH, session.location.clone())
            .header(header::CONTENT_TYPE, octets())
            .header(header::CONTENT_RANGE, range)
            .carrying(Payload::Part(part));
        let answer = self.ask(request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok((session.after(&self.noun, &answer, end)?, end - session.at));
        }
        let failure = self.refusal(answer).await;
        Err(match status {
            StatusCode::PAYLOAD_TOO_LARGE => Snag::TooLarge(failure, end - session.at),
            _ if session.at > 0 => lost(status, failure),
            _ => Snag::Broken(failure),
        })
    }

    /// Has what is there become the blob.
    async fn finish(&self, session: &Session) -> Result<(), Snag> {
        let url = session.closing(&self.blob.digest.to_string());
        let request = Request::new(Method::PUT, url)
            .header(header::CONTENT_TYPE, octets())
            .carrying(Payload::Bytes(Bytes::new()))
            .settling();
        let answer = self.ask(request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(lost(status, self.refusal(answer).await))
    }

    async fn ask(&self, request: Request) -> Result<Answer, Snag> {
        self.pusher.ask(None, &self.noun, &request).await.map_err(Snag::Broken)
    }

    async fn refusal(&self, answer: Answer) -> Failure {
        self.pusher.refusal(None, &self.noun, answer).await
    }
}

/// What a registry answers that does not know the upload any more, or would have had it otherwise: it is
/// begun anew, which uses up half of the attempts.
fn lost(status: StatusCode, failure: Failure) -> Snag {
    match (status.as_u16(), failure) {
        (400 | 404 | 410 | 416, Failure::Final(error)) => {
            Snag::Lost(Failure::Passing { error, after: None, cost: 2 })
        }
        (_, failure) => Snag::Broken(failure),
    }
}

fn octets() -> HeaderValue {
    HeaderValue::from_static("application/octet-stream")
}
