//! A file that a follower reads from, and how others find it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use varve_core::content::Extent;
use varve_core::{Digest, Error, Result};

use super::Ingest;
use crate::layout::{at, open_plain};
use crate::records::blocking;
use crate::store::Store;

/// An open file.
pub struct Opened {
    file: Arc<File>,
    path: PathBuf,
}

impl Opened {
    pub fn new(file: File, path: PathBuf) -> Self {
        Self { file: Arc::new(file), path }
    }

    /// The ingest's file, which may have become the blob's this moment.
    pub async fn ingest(
        ingest: Arc<Ingest>,
        store: Arc<Store>,
        digest: Digest,
    ) -> Result<Option<Self>> {
        blocking(move || {
            let plain = |path: PathBuf| open_plain(&path).map(|file| (file, path));
            match plain(ingest.data()).or_else(|_| plain(store.layout.blob(&digest))) {
                Ok((file, path)) => Ok(Some(Self::new(file, path))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(at(&ingest.data(), error)),
            }
        })
        .await
    }

    /// At most `len` bytes at `offset`; empty at the end.
    pub async fn read(self: Arc<Self>, offset: u64, len: u64) -> Result<Bytes> {
        blocking(move || {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            let read = self.file.read_at(&mut bytes, offset);
            let read = read.map_err(|error| Error::io("reading a blob in flight", error))?;
            bytes.truncate(read);
            Ok(bytes.into())
        })
        .await
    }

    /// Tells that it can be read up to `end`.
    pub fn extent(&self, end: u64) -> Extent {
        Extent { file: Arc::clone(&self.file), path: self.path.clone(), end }
    }
}
