//! An open blob: read at any offset, never through a path again.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::io::{ReadWriteFlags, preadv2};
use varve_core::content::Reader;
use varve_core::{Digest, Error, Kind, Result};

use crate::records::blocking;
use crate::records::values::Seal;

/// An open blob.
pub struct Blob {
    pub file: Arc<File>,
    pub size: u64,
    pub digest: Digest,
    /// As it was opened.
    seal: Seal,
}

/// Most bytes of one answer; the caller asks again for more.
const CHUNK: u64 = 1 << 20;
/// Most bytes that are copied on the caller's thread: a chunk of the wire, which takes less time than to
/// ask another thread.
const AT_ONCE: usize = 256 << 10;

impl Blob {
    /// What was just found sound.
    pub fn new(file: File, digest: Digest) -> Result<Self> {
        let facts = file.metadata();
        let facts = facts.map_err(|error| Error::io(format!("blob {digest}"), error))?;
        let seal = Seal::of(&facts);
        Ok(Self { file: Arc::new(file), size: seal.size, digest, seal })
    }

    /// Whether the file still has its name, and was not touched since.
    pub fn is_whole(&self) -> bool {
        let facts = self.file.metadata();
        facts.is_ok_and(|facts| facts.nlink() > 0 && self.seal.holds(&Seal::of(&facts)))
    }
}

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
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if let Some(bytes) = in_memory(&self.file, offset, len) {
            return Ok(bytes);
        }
        let file = Arc::clone(&self.file);
        blocking(move || {
            let mut bytes = vec![0; len];
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

/// What the kernel has in memory of it, without waiting for the disk; `None` where that is nothing, or
/// where the file system cannot tell.
fn in_memory(file: &File, offset: u64, len: usize) -> Option<Bytes> {
    if len > AT_ONCE {
        return None;
    }
    let mut bytes = vec![0; len];
    let mut room = [IoSliceMut::new(&mut bytes)];
    let read = preadv2(file, &mut room, offset, ReadWriteFlags::NOWAIT).ok()?;
    bytes.truncate(read);
    (read > 0).then(|| bytes.into())
}
