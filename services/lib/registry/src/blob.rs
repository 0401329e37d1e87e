//! Blobs: GET from an offset, as a stream that is never longer than the descriptor says.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use varve_core::{Descriptor, Error, Result};

use crate::body::Body;
use crate::client::{self, Repository};
use crate::exchange::{Answer, Request};
use crate::failure::Failure;
use crate::retry::Budget;

/// The bytes of a blob from `start` to its end, as they arrive.
pub struct BlobStream {
    noun: String,
    start: u64,
    at: u64,
    size: u64,
    body: Body,
}

impl BlobStream {
    /// Where the bytes begin: the offset that was asked for, or 0 where the registry does not do
    /// ranges (what was there before must be thrown away).
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The next bytes; `None` only when all `size` bytes have come. A body that ends early or breaks
    /// is a failure that passes; one byte too many is final.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(chunk) = self.body.chunk().await? else {
            return if self.at == self.size { Ok(None) } else { Err(self.cut()) };
        };
        self.at += chunk.len() as u64;
        if self.at > self.size {
            return Err(too_long(&self.noun, self.size).into());
        }
        Ok(Some(chunk))
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
        let (noun, request) = self.blob_request(blob).await?;
        if offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={offset}-"))
                .expect("a number fits into a header");
            let ranged = request.clone().header(header::RANGE, range);
            let answer = self.send(&noun, ranged, budget).await?;
            if let Some(stream) = self.stream(&noun, blob, offset, answer)? {
                return Ok(stream);
            }
        }
        let answer = self.send(&noun, request, budget).await?;
        self.stream(&noun, blob, 0, answer)?.ok_or_else(|| {
            Error::unavailable(format!("{noun}: the registry sent a part that nobody asked for"))
        })
    }

    async fn blob_request(&self, blob: &Descriptor) -> Result<(String, Request)> {
        let digest = blob.digest.to_string();
        let document = blob.media_type.is_index() || blob.media_type.is_manifest();
        let (path, word) = if document { ("manifests", "manifest") } else { ("blobs", "blob") };
        let mut request = Request::new(Method::GET, self.url(&[path, &digest]).await?);
        if document {
            let accept = HeaderValue::from_str(blob.media_type.as_str())
                .map_err(|error| Error::invalid("media type").with_source(error))?;
            request = request.header(header::ACCEPT, accept);
        }
        Ok((format!("{word} {digest} of {}", self.full_name()), request))
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
            client::text(&answer, header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        if length.is_some_and(|length: u64| length > size - start) {
            return Err(too_long(noun, size));
        }
        let body = Body::new(answer, self.config().stall);
        Ok(Some(BlobStream { noun: noun.to_owned(), start, at: start, size, body }))
    }
}

/// Whether Content-Range is from `offset`, of a whole of `size` (or of unknown size).
fn is_range(answer: &Answer, offset: u64, size: u64) -> bool {
    let range = || {
        let text = client::text(answer, header::CONTENT_RANGE)?;
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
         damaged at the registry"
    ))
}
