//! A blob elsewhere, read by ranges.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tonic::transport::Channel;
use varve_core::content::Reader;
use varve_core::{Digest, Error, Kind, Result, Scope};
use varve_proto::containerd::services::content::v1::ReadContentRequest;
use varve_proto::containerd::services::content::v1::content_client::ContentClient;

use crate::convert::signed;
use crate::scope;
use crate::status::from_status;

/// Most bytes of one answer; the caller asks again for more.
const MOST: u64 = 1 << 20;

/// Bytes that opening reads at once: most documents are no longer.
const HEAD: u64 = 16 << 10;

/// A blob whose size is known.
pub struct Blob {
    client: ContentClient<Channel>,
    scope: Scope,
    digest: Digest,
    size: u64,
    head: Bytes,
}

impl Blob {
    /// DataLoss where the server cannot read what it has a record of.
    pub async fn open(
        client: ContentClient<Channel>,
        scope: &Scope,
        digest: &Digest,
        size: u64,
    ) -> Result<Self> {
        let (scope, digest) = (scope.clone(), *digest);
        let mut blob = Self { client, scope, digest, size, head: Bytes::new() };
        blob.head = blob.range(0, size.min(HEAD)).await?;
        Ok(blob)
    }

    /// Bytes that were read at the opening.
    fn held(&self, from: u64, to: u64) -> Option<Bytes> {
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
        (to <= self.head.len()).then(|| self.head.slice(from..to))
    }

    /// `len` bytes, not beyond the end.
    async fn range(&self, offset: u64, len: u64) -> Result<Bytes> {
        if len == 0 {
            return Ok(Bytes::new());
        }
        let (digest, offset, size) = (self.digest.to_string(), signed(offset), signed(len));
        let request = scope::request(&self.scope, ReadContentRequest { digest, offset, size });
        let pieces = self.client.clone().read(request).await.map_err(from_status)?;
        let mut pieces = pieces.into_inner();
        let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
        while let Some(piece) = pieces.message().await.map_err(from_status)? {
            if first.is_empty() {
                first = piece.data;
            } else {
                rest.extend_from_slice(&piece.data);
            }
        }
        let bytes = if rest.is_empty() { first } else { [first, rest.freeze()].concat().into() };
        match bytes.len() as u64 == len {
            true => Ok(bytes),
            false => Err(Error::data_loss(format!("blob {}: ended before its size", self.digest))),
        }
    }
}

#[async_trait]
impl Reader for Blob {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        if offset > self.size {
            let (digest, size) = (self.digest, self.size);
            let message = format!("blob {digest}: offset {offset} is beyond its {size} bytes");
            return Err(Error::new(Kind::OutOfRange, message));
        }
        let len = (len as u64).min(self.size - offset).min(MOST);
        match self.held(offset, offset + len) {
            Some(held) => Ok(held),
            None => self.range(offset, len).await,
        }
    }
}
