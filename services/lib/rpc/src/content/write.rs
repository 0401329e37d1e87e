//! The stream of one writer, served: each message is answered, a commit is the last.

use std::pin::Pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use futures_util::stream::try_unfold;
use tokio_stream::Stream;
use tonic::Status;
use varve_core::content::{Commit, Content, OpenWriter, Writer};
use varve_core::{Digest, Error, Kind, Result, Scope};
use varve_proto::containerd::services::content::v1 as wire;
use wire::{WriteAction, WriteContentRequest as Request, WriteContentResponse as Answer};

use crate::convert::{self, signed, unsigned};
use crate::status::to_status;

/// How often a ref is tried again that another writer holds: half a second in all.
const TRIES: u32 = 9;

/// What the client says.
type Messages = Pin<Box<dyn Stream<Item = Result<Request, Status>> + Send>>;

/// A writer and what was said about it. Dropped with the stream, it frees the ref at once.
struct Session {
    writer: Box<dyn Writer>,
    messages: Messages,
    /// The first message, until it is answered.
    next: Option<Request>,
    /// What was said last of the size and the digest.
    total: u64,
    expected: Option<Digest>,
    /// Whether the answer to a write has the digest of the bytes so far: it is what a client of containerd's knows
    /// its blob by when the commit finds it there already.
    digests: bool,
}

/// Opens the ingest that the first message names; the answers follow as they are taken, with `digests` or without.
pub async fn write(
    content: &dyn Content,
    scope: &Scope,
    mut messages: Messages,
    digests: bool,
) -> Result<impl Stream<Item = Result<Answer, Status>> + Send + use<>, Status> {
    let first = messages.try_next().await?.unwrap_or_default();
    let session = Session::open(content, scope, messages, first).await.map_err(to_status)?;
    let session = Session { digests, ..session };
    Ok(try_unfold(Some(session), |session| async move {
        match session {
            Some(session) => session.step().await,
            None => Ok(None),
        }
    }))
}

/// Opens a writer. Whoever held the ref may have let go of it a moment ago, and its stream has not ended here yet: a
/// client that goes on with its own is not to be refused. Containerd's store waits as often.
async fn patiently(
    content: &dyn Content,
    scope: &Scope,
    open: OpenWriter,
) -> Result<Box<dyn Writer>> {
    for tries in 0..TRIES {
        match content.writer(scope, open.clone()).await {
            Err(error) if error.kind() == Kind::Unavailable => {
                tokio::time::sleep(Duration::from_millis(1 << tries)).await;
            }
            opened => return opened,
        }
    }
    content.writer(scope, open).await
}

impl Session {
    async fn open(
        content: &dyn Content,
        scope: &Scope,
        messages: Messages,
        first: Request,
    ) -> Result<Self> {
        if first.r#ref.is_empty() {
            return Err(Error::invalid("the first message must name a ref"));
        }
        let total = unsigned("the total of an ingest", first.total)?;
        let expected = convert::from_optional_digest(&first.expected)?;
        let open = OpenWriter { ingest: first.r#ref.clone(), total, expected };
        let writer = patiently(content, scope, open).await?;
        Ok(Self { writer, messages, next: Some(first), total, expected, digests: true })
    }

    /// Answers the next message. The stream goes on unless that was a commit.
    async fn step(mut self) -> Result<Option<(Answer, Option<Self>)>, Status> {
        let message = match self.next.take() {
            Some(first) => Some(first),
            None => self.messages.try_next().await?,
        };
        let Some(message) = message else { return Ok(None) };
        let last = message.action() == WriteAction::Commit;
        let answer = self.answer(message).await.map_err(to_status)?;
        Ok(Some((answer, (!last).then_some(self))))
    }

    async fn answer(&mut self, message: Request) -> Result<Answer> {
        self.learn(&message)?;
        match message.action() {
            WriteAction::Stat => self.so_far(WriteAction::Stat).await,
            WriteAction::Write => {
                self.append(message).await?;
                match self.digests {
                    true => self.so_far(WriteAction::Write).await,
                    false => Ok(self.told(WriteAction::Write)),
                }
            }
            WriteAction::Commit => self.commit(message).await,
        }
    }

    /// What is said later of size and digest holds.
    fn learn(&mut self, message: &Request) -> Result<()> {
        let total = unsigned("the total of an ingest", message.total)?;
        if total > 0 {
            self.total = total;
        }
        let expected = convert::from_optional_digest(&message.expected)?;
        self.expected = expected.or(self.expected);
        Ok(())
    }

    async fn append(&mut self, message: Request) -> Result<()> {
        let (at, now) = (message.offset, self.writer.status().offset);
        let at = unsigned("the offset of a write", at)?;
        if at > 0 && at != now {
            let message = format!("a write at {at} into an ingest that is at {now}");
            return Err(Error::new(Kind::OutOfRange, message));
        }
        if at == 0 && now > 0 {
            self.writer.truncate(0).await?;
        }
        match message.data.is_empty() {
            true => Ok(()),
            false => self.writer.write(message.data).await,
        }
    }

    async fn commit(&mut self, mut message: Request) -> Result<Answer> {
        let labels = convert::from_labels(std::mem::take(&mut message.labels));
        self.append(message).await?;
        let answer = self.told(WriteAction::Commit);
        let commit = Commit { size: self.total, expected: self.expected, labels };
        let digest = self.writer.commit(commit).await?;
        Ok(Answer { digest: digest.to_string(), ..answer })
    }

    async fn so_far(&mut self, action: WriteAction) -> Result<Answer> {
        let digest = self.writer.digest().await?.to_string();
        Ok(Answer { digest, ..self.told(action) })
    }

    fn told(&self, action: WriteAction) -> Answer {
        let status = self.writer.status();
        Answer {
            action: action.into(),
            started_at: Some(convert::timestamp(status.started_at)),
            updated_at: Some(convert::timestamp(status.updated_at)),
            offset: signed(status.offset),
            total: signed(status.total),
            digest: String::new(),
        }
    }
}
