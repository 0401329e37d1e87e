//! One download: as many streams as it takes, one after the other, into one ingest, within one
//! budget.
//!
//! What passes (a body cut, a stall, a busy registry) is resumed at the ingest's offset. What came
//! and is wrong (another digest, a byte too many) is dropped; another digest is asked for once more
//! from the start, of other hosts than the mirrors that it came from, or because a proxy in between
//! may have been the trouble.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use varve_core::content::{Commit, Content, Writer};
use varve_core::labels::{DISTRIBUTION_SOURCE, Labels};
use varve_core::remotes::{Event, Fetched, Progress, Remote, ingest_ref};
use varve_core::{Descriptor, Error, Kind, Result, Scope};
use varve_registry::{ASK, BlobStream, Budget, Failure, Repository};

use crate::flight::Flight;
use crate::ingest;

pub(crate) struct Download<'a> {
    pub content: &'a dyn Content,
    pub repository: Repository,
    pub scope: &'a Scope,
    pub remote: &'a Remote,
    pub blob: &'a Descriptor,
    pub flight: Flight,
    pub progress: Progress,
    /// Bytes gathered before they are written.
    pub batch: usize,
    /// How long another process may hold the ref without moving.
    pub patience: Duration,
}

/// What one turn of a writer came to.
enum Outcome {
    Done,
    /// The whole was here, and it was not what it should be.
    Mismatch(Error),
}

impl Download<'_> {
    pub(crate) async fn run(self) -> Result<Fetched> {
        let mut fetched = Fetched::default();
        self.all(&mut fetched).await.map_err(|error| self.explain(error))?;
        Ok(fetched)
    }

    async fn all(&self, fetched: &mut Fetched) -> Result<()> {
        let progress = self.progress.clone();
        let tell = move |attempt| progress.tell(Event::Retrying { attempt });
        let mut budget = self.repository.budget().on_retry(tell);
        let mut first = true;
        loop {
            let Some(writer) = self.writer().await? else {
                fetched.reused = first;
                return Ok(());
            };
            if std::mem::take(&mut first) {
                fetched.resumed_at = writer.status().offset;
            }
            match self.fill(writer, fetched, &mut budget).await? {
                Outcome::Done => return Ok(()),
                Outcome::Mismatch(error) => {
                    fetched.resumed_at = 0;
                    budget.survive_deceit(error).await?;
                }
            }
        }
    }

    async fn writer(&self) -> Result<Option<Box<dyn Writer>>> {
        let Self { content, scope, blob, progress, patience, .. } = self;
        ingest::writer(*content, scope, blob, progress, *patience).await
    }

    /// Streams until the ingest is whole, and commits it.
    async fn fill(
        &self,
        mut writer: Box<dyn Writer>,
        fetched: &mut Fetched,
        budget: &mut Budget,
    ) -> Result<Outcome> {
        while self.missing(&mut *writer).await? {
            let streamed = self.stream(&mut *writer, fetched, budget).await;
            let (error, wrong) = match streamed {
                Ok(()) => continue,
                Err(Wrong::Stream(Failure::Final(error))) => (error, true),
                Err(Wrong::Stream(passing)) => match budget.survive(passing).await {
                    Ok(()) => continue,
                    Err(error) => (error, false),
                },
                Err(Wrong::Other(error)) => (error, false),
            };
            self.give_up(writer, wrong).await;
            return Err(error);
        }
        self.commit(writer).await
    }

    /// Keeps what came for the next try, unless it is wrong or nothing.
    async fn give_up(&self, writer: Box<dyn Writer>, wrong: bool) {
        let nothing = writer.status().offset == 0;
        drop(writer);
        if wrong || nothing {
            ingest::abort(self.content, self.scope, self.blob).await;
        }
    }

    /// Whether bytes are missing. An ingest that has too many is begun anew.
    async fn missing(&self, writer: &mut dyn Writer) -> Result<bool> {
        let at = writer.status().offset;
        if at > self.blob.size {
            writer.truncate(0).await?;
            return Ok(self.blob.size > 0);
        }
        self.tell(at);
        Ok(at < self.blob.size)
    }

    /// One stream, from where the ingest ends to where the stream does.
    async fn stream(
        &self,
        writer: &mut dyn Writer,
        fetched: &mut Fetched,
        budget: &mut Budget,
    ) -> Result<(), Wrong> {
        let offset = writer.status().offset;
        let mut stream = self.repository.blob(self.blob, offset, budget).await?;
        if stream.start() < offset {
            tracing::debug!(digest = %self.blob.digest, "the registry does not resume");
            writer.truncate(0).await?;
            fetched.resumed_at = 0;
        }
        // What has come and did not fit the batch before.
        let mut rest = Bytes::new();
        loop {
            let mut batch = BytesMut::with_capacity(self.batch);
            let chunk = self.gather(&mut stream, &mut rest, &mut batch).await;
            let came = batch.len() as u64;
            if came > 0 {
                writer.write(batch.freeze()).await?;
                fetched.downloaded += came;
                let at = writer.status().offset;
                budget.reached(at);
                self.tell(at);
            }
            if !chunk? {
                return Ok(());
            }
        }
    }

    /// Fills `batch`; `false` at the end of the stream. What came before a failure is in `batch`.
    ///
    /// Copied, so that the connection has its buffer back and needs no other.
    async fn gather(
        &self,
        stream: &mut BlobStream,
        rest: &mut Bytes,
        batch: &mut BytesMut,
    ) -> Result<bool, Wrong> {
        while batch.len() < self.batch {
            if rest.is_empty() {
                match stream.chunk().await.map_err(Wrong::Stream)? {
                    Some(chunk) => *rest = chunk,
                    None => return Ok(false),
                }
            }
            let len = rest.len().min(self.batch - batch.len());
            batch.extend_from_slice(&rest.split_to(len));
        }
        Ok(true)
    }

    /// Commits. A digest that is not the expected one drops the ingest.
    async fn commit(&self, mut writer: Box<dyn Writer>) -> Result<Outcome> {
        let (expected, size) = (Some(self.blob.digest), self.blob.size);
        let result = writer.commit(Commit { size, expected, labels: self.labels() }).await;
        drop(writer);
        match result {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if error.kind() == Kind::AlreadyExists => Ok(Outcome::Done),
            Err(error) if error.kind() == Kind::FailedPrecondition => {
                ingest::abort(self.content, self.scope, self.blob).await;
                let (why, what) = (error.chain(), "sent other bytes than the digest names");
                Ok(Outcome::Mismatch(Error::precondition(format!(
                    "the registry, or a proxy on the way, {what} ({why}); {ASK}"
                ))))
            }
            Err(error) => Err(error),
        }
    }

    /// Where it came from, in containerd's label.
    fn labels(&self) -> Labels {
        let reference = &self.remote.reference;
        let key = format!("{DISTRIBUTION_SOURCE}{}", reference.domain());
        Labels::from([(key, reference.path().to_owned())])
    }

    fn tell(&self, at: u64) {
        self.flight.tell(at);
        self.progress.tell(Event::At(at));
    }

    fn explain(&self, error: Error) -> Error {
        let noun =
            format!("{} of {}", ingest_ref(self.blob).replacen('-', " ", 1), self.remote.reference);
        match error.kind() {
            Kind::Unavailable | Kind::DeadlineExceeded => {
                error.context(format!("{noun}: what came is kept, pull again to resume"))
            }
            _ => error.context(noun),
        }
    }
}

/// What ends a stream early.
enum Wrong {
    /// The stream itself.
    Stream(Failure),
    /// The registry for good, or the store.
    Other(Error),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}
