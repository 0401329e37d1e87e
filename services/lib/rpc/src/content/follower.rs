//! The bytes of a digest behind whoever writes them elsewhere: read from the file where it can be
//! seen, sent where it cannot.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;
use varve_core::content::{self, Extent};
use varve_core::{Digest, Error, Kind, Result, Scope};
use varve_proto::varve::content::v1::content_store_client::ContentStoreClient;
use varve_proto::varve::content::v1::{FollowRequest, FollowResponse};

use crate::channel::CHUNK;
use crate::scope;
use crate::shared_file;
use crate::status::from_status;

/// Follows one digest.
pub struct Follower {
    client: ContentStoreClient<Channel>,
    scope: Scope,
    digest: Digest,
    stream: Stream,
    file: Option<(PathBuf, Arc<File>)>,
    /// Bytes of the file that were given, and that can be read.
    at: u64,
    readable: u64,
    /// Bytes that were sent, and not given yet.
    sent: Bytes,
}

struct Stream {
    asks: mpsc::Sender<FollowRequest>,
    answers: Streaming<FollowResponse>,
    /// A question is under way, whose answer nobody waited for.
    asked: bool,
}

impl Follower {
    /// Begins to follow, without waiting for the first byte.
    pub async fn open(
        client: ContentStoreClient<Channel>,
        scope: &Scope,
        digest: &Digest,
    ) -> Result<Self> {
        let stream = Stream::open(client.clone(), scope, digest, false).await?;
        let (scope, digest) = (scope.clone(), *digest);
        Ok(Self {
            client,
            scope,
            digest,
            stream,
            file: None,
            at: 0,
            readable: 0,
            sent: Bytes::new(),
        })
    }

    /// The file, and how far it can be read.
    fn extent(&self) -> Result<Extent> {
        let (path, file) = self.file.clone().ok_or_else(|| Error::internal("no file was named"))?;
        Ok(Extent { file, path, end: self.readable })
    }

    /// The next bytes of the file.
    async fn read(&mut self) -> Result<Bytes> {
        let Extent { file, .. } = self.extent()?;
        let len = usize::try_from(self.readable - self.at).unwrap_or(CHUNK).min(CHUNK);
        let at = self.at;
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; len];
            let read = file.read_at(&mut bytes, at)?;
            bytes.truncate(read);
            Ok(Bytes::from(bytes))
        });
        let read = read.await.map_err(|error| Error::internal("a read").with_source(error))?;
        let bytes = read.map_err(|error| Error::io("reading a blob in flight", error))?;
        if bytes.is_empty() {
            // It was cut; the server is about to say so too.
            let digest = self.digest;
            return Err(Error::aborted(format!("the ingest of {digest} began anew; begin anew")));
        }
        self.at += bytes.len() as u64;
        Ok(bytes)
    }

    /// Waits until there is more, in the file or sent; `false` at the end.
    async fn more(&mut self) -> Result<bool> {
        while self.sent.is_empty() && self.at >= self.readable {
            let Some(answer) = self.stream.ask().await? else { return Ok(false) };
            self.take(answer).await?;
        }
        Ok(true)
    }

    async fn take(&mut self, answer: FollowResponse) -> Result<()> {
        if let Some(file) = answer.file {
            let path = PathBuf::from(&file.path);
            self.file = shared_file::open(file).await.map(|file| (path, Arc::new(file)));
            if self.file.is_none() {
                let client = self.client.clone();
                self.stream = Stream::open(client, &self.scope, &self.digest, true).await?;
                return Ok(());
            }
        }
        self.readable = self.readable.max(answer.readable);
        self.sent = answer.bytes;
        Ok(())
    }
}

#[async_trait]
impl content::Follower for Follower {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if !self.more().await? {
            return Ok(None);
        }
        if self.sent.is_empty() {
            return self.read().await.map(Some);
        }
        Ok(Some(std::mem::take(&mut self.sent)))
    }

    async fn next_extent(&mut self) -> Result<Option<Extent>> {
        if !self.more().await? {
            return Ok(None);
        }
        if !self.sent.is_empty() {
            return Err(Error::new(Kind::Unimplemented, "these bytes are in no file here"));
        }
        self.at = self.readable;
        self.extent().map(Some)
    }
}

impl Stream {
    async fn open(
        mut client: ContentStoreClient<Channel>,
        scope: &Scope,
        digest: &Digest,
        inline: bool,
    ) -> Result<Self> {
        let (asks, messages) = mpsc::channel(1);
        let first = FollowRequest { digest: digest.to_string(), inline };
        // There is room: it is the first.
        let _ = asks.try_send(first);
        let messages = scope::request(scope, ReceiverStream::new(messages));
        let answers = client.follow(messages).await.map_err(from_status)?.into_inner();
        Ok(Self { asks, answers, asked: true })
    }

    /// The next answer; `None` once all is verified and committed.
    async fn ask(&mut self) -> Result<Option<FollowResponse>> {
        if !self.asked {
            // Where the server has ended the stream, its answers say how.
            let _ = self.asks.send(FollowRequest::default()).await;
            self.asked = true;
        }
        let answer = self.answers.message().await.map_err(from_status)?;
        self.asked = false;
        Ok(answer)
    }
}
