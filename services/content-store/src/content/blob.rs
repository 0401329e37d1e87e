//! An open blob: read at any offset, never through a path again.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use varve_core::content::Reader;
use varve_core::{Digest, Error, Kind, Result};

use crate::records::blocking;

/// An open blob.
pub struct Blob {
    pub file: Arc<File>,
    pub size: u64,
    pub digest: Digest,
}

/// Most bytes of one answer; the caller asks again for more.
const CHUNK: u64 = 1 << 20;

#[async_trait]
impl Reader for Blob {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        let (size, digest) = (self.size, self.digest);
        if offset > size {
            let message = format!("blob {digest}: offset {offset} is beyond its {size} bytes");
            return Err(Error::new(Kind::OutOfRange, message));
        }
        let len = (len as u64).min(size - offset).min(CHUNK);
        if len == 0 {
            return Ok(Bytes::new());
        }
        let file = Arc::clone(&self.file);
        blocking(move || {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            let read = file.read_at(&mut bytes, offset);
            let read = read.map_err(|error| Error::io(format!("reading blob {digest}"), error))?;
            if read == 0 {
                return Err(Error::data_loss(format!("blob {digest}: its file has shrunk")));
            }
            bytes.truncate(read);
            Ok(bytes.into())
        })
        .await
    }
}
