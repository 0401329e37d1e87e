//! The one writer of an ingest elsewhere.
//!
//! Messages go out without waiting for the answers of those before: some are in flight, which keeps
//! both sides busy, and their bytes are bounded. What fails is told by the next call. A short write is waited
//! for: it is a document, or the end of one, and then the status is the store's own to the nanosecond.
//! Where the store and this process see one file, bytes pass through that and messages say where.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::Stream as Messages;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status as Broken;
use tonic::transport::Channel;
use varve_core::content::{self, Commit, OpenWriter, Status};
use varve_core::{Digest, Error, Kind, Result, Scope, time};
use varve_proto::containerd::services::content::v1 as wire;
use varve_proto::containerd::services::content::v1::content_client::ContentClient;
use varve_proto::varve::content::v1::content_store_client::ContentStoreClient;
use varve_proto::varve::content::v1::{WriteRequest, WriteResponse};
use wire::{WriteAction, WriteContentRequest as Request, WriteContentResponse as Answer};

use super::left::{Key, Left};
use super::passage::Passing;
use crate::channel::CHUNK;
use crate::convert::{self, signed, unsigned};
use crate::scope;
use crate::status::from_status;

/// Messages that were not answered yet, and their bytes, at most.
const IN_FLIGHT: usize = 32;
pub const BYTES_IN_FLIGHT: usize = 512 << 10;
/// A write of no more bytes is waited for.
const SHORT: usize = 4 << 10;
/// How long a dropped writer's stream may take to end.
const LEAVING: Duration = Duration::from_secs(10);

/// The writer.
pub struct Writer {
    /// `None` once it is done.
    stream: Option<Stream>,
    status: Status,
    left: Left,
    key: Key,
}

/// Who is written to: a store of Varve's, or a containerd, where bytes cannot pass but in messages.
#[derive(Clone, Debug)]
pub enum Store {
    Varve(ContentStoreClient<Channel>),
    Containerd(ContentClient<Channel>),
}

type Answers = Pin<Box<dyn Messages<Item = Result<WriteResponse, Broken>> + Send>>;

impl Store {
    async fn write(self, scope: &Scope, messages: ReceiverStream<WriteRequest>) -> Result<Answers> {
        match self {
            Self::Varve(mut store) => {
                let answers = store.write(scope::request(scope, messages)).await;
                Ok(Box::pin(answers.map_err(from_status)?.into_inner()))
            }
            Self::Containerd(mut content) => {
                let messages = messages.map(|message| message.write.unwrap_or_default());
                let answers = content.write(scope::request(scope, messages)).await;
                let answers = answers.map_err(from_status)?.into_inner();
                let own = |answer: Answer| WriteResponse { write: Some(answer), file: None };
                Ok(Box::pin(answers.map(move |answer| answer.map(own))))
            }
        }
    }
}

struct Stream {
    requests: mpsc::Sender<WriteRequest>,
    answers: Answers,
    /// Where bytes pass that need not travel.
    passing: Option<Passing>,
    /// The bytes of each message that was not answered yet, and their sum.
    in_flight: VecDeque<usize>,
    bytes: usize,
}

impl Writer {
    /// Opens or resumes an ingest.
    pub async fn open(store: Store, left: &Left, scope: &Scope, open: OpenWriter) -> Result<Self> {
        // One more than are in flight, so that sending never waits: answers are taken first.
        let (requests, messages) = mpsc::channel(IN_FLIGHT + 1);
        let first = Request {
            action: WriteAction::Stat.into(),
            r#ref: open.ingest.clone(),
            total: signed(open.total),
            expected: convert::optional(open.expected),
            ..Request::default()
        };
        requests.try_send(travelling(first)).map_err(|_| gone())?;
        let answers = store.write(scope, ReceiverStream::new(messages)).await?;
        let mut stream =
            Stream { requests, answers, passing: None, in_flight: [0].into(), bytes: 0 };
        let answer = stream.settle().await?.ok_or_else(gone)?;
        let key = (scope.namespace.clone(), open.ingest.clone());
        Ok(Self { stream: Some(stream), status: status(open, answer)?, left: left.clone(), key })
    }

    /// Takes what the store knows of the ingest.
    pub fn found(&mut self, status: Status) {
        self.status = status;
    }

    fn stream(&mut self) -> Result<&mut Stream> {
        let done = || format!("ingest {}: this writer is done; open another", self.status.ingest);
        self.stream.as_mut().ok_or_else(|| Error::precondition(done()))
    }

    /// Sends a message and waits for the answers to all.
    async fn ask(&mut self, request: Request) -> Result<Answer> {
        let stream = self.stream()?;
        stream.send(request).await?;
        let answer = stream.settle().await?.ok_or_else(gone)?;
        self.heard(&answer)?;
        Ok(answer)
    }

    /// Takes the store's time, where it tells it.
    fn heard(&mut self, answer: &Answer) -> Result<()> {
        if answer.updated_at.is_some() {
            self.status.updated_at = convert::from_timestamp(answer.updated_at)?;
        }
        Ok(())
    }

    fn request(&self, action: WriteAction) -> Request {
        let offset = signed(self.status.offset);
        Request { action: action.into(), offset, ..Request::default() }
    }
}

impl Stream {
    async fn send(&mut self, request: Request) -> Result<()> {
        let len = request.data.len();
        while self.in_flight.len() >= IN_FLIGHT || self.bytes + len > BYTES_IN_FLIGHT {
            self.answer().await?;
        }
        let request = match &mut self.passing {
            Some(passing) if len > SHORT => pass(passing, request)?,
            _ => travelling(request),
        };
        if self.requests.send(request).await.is_err() {
            // The server has ended the stream, and says why behind its last answer.
            loop {
                self.answer().await?;
            }
        }
        self.in_flight.push_back(len);
        self.bytes += len;
        Ok(())
    }

    async fn answer(&mut self) -> Result<Answer> {
        let answer = self.answers.next().await.ok_or_else(gone)?.map_err(from_status)?;
        self.bytes -= self.in_flight.pop_front().unwrap_or(0);
        if let Some(file) = answer.file {
            self.passing = Passing::through(file).await;
        }
        Ok(answer.write.unwrap_or_default())
    }

    /// Waits for the answers that are due, and returns the last.
    async fn settle(&mut self) -> Result<Option<Answer>> {
        let mut last = None;
        while !self.in_flight.is_empty() {
            last = Some(self.answer().await?);
        }
        Ok(last)
    }

    /// Ends the stream and waits until the server has done so too.
    async fn end(self) {
        let Self { requests, mut answers, .. } = self;
        drop(requests);
        let ended = async { while let Some(Ok(_)) = answers.next().await {} };
        let _ = tokio::time::timeout(LEAVING, ended).await;
    }
}

/// A message with its data.
fn travelling(write: Request) -> WriteRequest {
    WriteRequest { write: Some(write), passed: None }
}

/// A message whose data goes another way.
fn pass(passing: &mut Passing, mut write: Request) -> Result<WriteRequest> {
    let passed = passing.put(&std::mem::take(&mut write.data))?;
    Ok(WriteRequest { write: Some(write), passed: Some(passed) })
}

#[async_trait]
impl content::Writer for Writer {
    async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        let short = bytes.len() <= SHORT;
        while !bytes.is_empty() {
            let data = bytes.split_to(bytes.len().min(CHUNK));
            let len = data.len() as u64;
            let request = Request { data, ..self.request(WriteAction::Write) };
            self.stream()?.send(request).await?;
            self.status.offset += len;
            self.status.updated_at = time::now();
        }
        let stream = self.stream()?;
        let last = if short { stream.settle().await? } else { None };
        last.map_or(Ok(()), |last| self.heard(&last))
    }

    fn status(&self) -> Status {
        self.status.clone()
    }

    async fn digest(&mut self) -> Result<Digest> {
        let request = self.request(WriteAction::Stat);
        convert::from_digest(&self.ask(request).await?.digest)
    }

    /// The wire knows only to begin anew.
    async fn truncate(&mut self, size: u64) -> Result<()> {
        let now = self.status.offset;
        match size {
            size if size == now => return self.stream().map(drop),
            size if size > now => {
                let message = format!("cannot cut an ingest of {now} bytes to {size}");
                return Err(Error::new(Kind::OutOfRange, message));
            }
            0 => {}
            _ => return Err(Error::new(Kind::Unimplemented, "cutting an ingest in the middle")),
        }
        self.ask(Request { offset: 0, ..self.request(WriteAction::Write) }).await?;
        self.status.offset = 0;
        Ok(())
    }

    async fn commit(&mut self, commit: Commit) -> Result<Digest> {
        let request = Request {
            total: signed(commit.size),
            expected: convert::optional(commit.expected),
            labels: convert::labels(&commit.labels),
            ..self.request(WriteAction::Commit)
        };
        let answer = self.ask(request).await;
        if let Some(stream) = self.stream.take() {
            stream.end().await;
        }
        convert::from_digest(&answer?.digest)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        // Without a runtime the connection has ended, and the stream with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let leaving = self.left.leave(self.key.clone());
            runtime.spawn(async move {
                stream.end().await;
                drop(leaving);
            });
        }
    }
}

fn status(open: OpenWriter, answer: Answer) -> Result<Status> {
    Ok(Status {
        ingest: open.ingest,
        offset: unsigned("the offset of an ingest", answer.offset)?,
        total: unsigned("the size of an ingest", answer.total)?,
        expected: open.expected,
        started_at: convert::from_timestamp(answer.started_at)?,
        updated_at: convert::from_timestamp(answer.updated_at)?,
    })
}

fn gone() -> Error {
    Error::unavailable("the content store ended the stream of a writer")
}
