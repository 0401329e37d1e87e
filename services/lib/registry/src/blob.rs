//! Blobs: GET from an offset, as a stream that is never longer than the descriptor says.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use varve_core::{Descriptor, Error, Kind, MediaType, Result};

use crate::body::Body;
use crate::config::Config;
use crate::exchange::Answer;
use crate::failure::Failure;
use crate::host::{Host, Need};
use crate::repository::{Ask, Repository};
use crate::retry::Budget;
use crate::visit;

/// The bytes of a blob from `start` to its end, as they arrive.
pub struct BlobStream {
    noun: String,
    start: u64,
    at: u64,
    size: u64,
    body: Body,
    host: Arc<Host>,
    /// When the whole of a document has to have come.
    until: Option<Instant>,
}

impl BlobStream {
    /// Where the bytes begin: the offset that was asked for, or 0 where the registry does not do
    /// ranges (what was there before must be thrown away).
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The next bytes; `None` only when all `size` bytes have come. A body that ends early or breaks
    /// is a failure that passes; one byte too many is final. Where a mirror fails so, another host is
    /// asked for the rest.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        self.next().await.map_err(|failure| self.host.blame(failure))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(chunk) = self.body.chunk().await? else {
            return if self.at == self.size { Ok(None) } else { Err(self.cut()) };
        };
        self.at += chunk.len() as u64;
        if self.at > self.size {
            return Err(too_long(&self.noun, self.size).into());
        }
        if self.until.is_some_and(|until| Instant::now() > until) {
            return Err(self.late());
        }
        Ok(Some(chunk))
    }

    fn late(&self) -> Failure {
        let Self { noun, at, size, .. } = self;
        let message = format!("{noun}: took too long: {at} of {size} bytes");
        Failure::passing(Error::new(Kind::DeadlineExceeded, message))
    }

    fn cut(&self) -> Failure {
        let Self { noun, at, size, .. } = self;
        Failure::passing(Error::unavailable(format!(
            "{noun}: the registry sent {at} of {size} bytes"
        )))
    }
}

impl Repository {
    /// GET of `blob` from `offset` on, below its size. A manifest or an index is asked for where
    /// registries keep these. Retries until there is an answer; what breaks later is the stream's.
    pub async fn blob(
        &self,
        blob: &Descriptor,
        offset: u64,
        budget: &mut Budget,
    ) -> Result<BlobStream> {
        let (noun, ask) = self.blob_ask(blob)?;
        if offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={offset}-"))
                .expect("a number fits into a header");
            let ranged = ask.clone().header(header::RANGE, range);
            if let Some(stream) = self.part(&noun, blob, offset, &ranged, budget).await? {
                return Ok(stream);
            }
        }
        self.part(&noun, blob, 0, &ask, budget).await?.ok_or_else(|| {
            Error::unavailable(format!("{noun}: the registry sent a part that nobody asked for"))
        })
    }

    /// The stream from `offset` on; `None` where only the whole can be had.
    async fn part(
        &self,
        noun: &str,
        blob: &Descriptor,
        offset: u64,
        ask: &Ask,
        budget: &mut Budget,
    ) -> Result<Option<BlobStream>> {
        loop {
            let answer = self.send(noun, ask, budget).await?;
            let host = Arc::clone(&answer.host);
            match self.stream(noun, blob, offset, answer) {
                Ok(stream) => {
                    if host.has_next {
                        budget.comes_from(&host.key);
                    }
                    return Ok(stream);
                }
                Err(error) => budget.survive(host.blame(error.into())).await?,
            }
        }
    }

    fn blob_ask(&self, blob: &Descriptor) -> Result<(String, Ask)> {
        let digest = blob.digest.to_string();
        let document = blob.media_type.is_index() || blob.media_type.is_manifest();
        let (path, word) = if document { ("manifests", "manifest") } else { ("blobs", "blob") };
        let path = [path.to_owned(), digest.clone()];
        let need = Need::Digest;
        let mut ask = Ask { method: Method::GET, path, headers: HeaderMap::new(), need };
        if document {
            let accept = HeaderValue::from_str(blob.media_type.as_str())
                .map_err(|error| Error::invalid("media type").with_source(error))?;
            ask = ask.header(header::ACCEPT, accept);
        }
        Ok((format!("{word} {digest} of {}", self.full_name()), ask))
    }

    /// The stream that `answer` is; `None` where it is not the range that was asked for, and the
    /// blob must be asked for without one.
    fn stream(
        &self,
        noun: &str,
        blob: &Descriptor,
        offset: u64,
        answer: Answer,
    ) -> Result<Option<BlobStream>> {
        let size = blob.size;
        let start = match answer.status() {
            StatusCode::PARTIAL_CONTENT if offset > 0 && is_range(&answer, offset, size) => offset,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                tracing::debug!(noun, offset, "the registry does not send the range asked for");
                return Ok(None);
            }
            _ => 0,
        };
        let length =
            visit::text(&answer, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        if length.is_some_and(|length: u64| length > size - start) {
            return Err(too_long(noun, size));
        }
        let host = Arc::clone(&answer.host);
        let Config { stall, document, .. } = *self.config();
        let until = is_document(&blob.media_type).then(|| Instant::now() + document);
        let body = Body::new(answer, stall);
        Ok(Some(BlobStream { noun: noun.to_owned(), start, at: start, size, body, host, until }))
    }
}

/// What is read as a whole before anything else is asked for: a slow one holds up all of a pull.
fn is_document(kind: &MediaType) -> bool {
    kind.is_index()
        || kind.is_manifest()
        || matches!(kind, MediaType::OciConfig | MediaType::DockerConfig)
}

/// Whether Content-Range is from `offset`, of a whole of `size` (or of unknown size).
fn is_range(answer: &Answer, offset: u64, size: u64) -> bool {
    visit::text(answer, header::CONTENT_RANGE).is_some_and(|text| is_from(text, offset, size))
}

pub(crate) fn is_from(text: &str, offset: u64, size: u64) -> bool {
    let range = || {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, end) = range.split_once('-')?;
        let total = if total == "*" { size } else { total.parse().ok()? };
        Some((start.parse::<u64>().ok()?, end.parse::<u64>().ok()?, total))
    };
    range().is_some_and(|(start, end, total)| start == offset && end < size && total == size)
}

fn too_long(noun: &str, size: u64) -> Error {
    Error::precondition(format!(
        "{noun}: the registry sends more than the {size} bytes that its manifest says; the image is \
         damaged there: have it pushed again, or ask who runs it"
    ))
}
