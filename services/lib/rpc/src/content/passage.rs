//! Bytes that pass from a writer to the store through a file that both see.
//!
//! The store makes the file and removes it with the stream. The writer goes round in it: what it puts in
//! takes the place of what was answered before. Nothing is trusted but what a message names, and that is
//! read once, before it is hashed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use varve_core::{Error, Result};
use varve_proto::varve::content::v1 as wire;

use super::writer::BYTES_IN_FLIGHT;
use crate::channel::CHUNK;
use crate::shared_file;

/// Bytes of one part, and of the file, at most (varve.content.v1, Passed).
const MAX_PART: u64 = 1 << 20;
const MAX_FILE: u64 = 16 << 20;
/// Where a writer begins anew. Between its oldest part without an answer and its next are the bytes in
/// flight, and what was too short for a part at the end.
const ROUND: u64 = (BYTES_IN_FLIGHT + CHUNK) as u64;

/// The store's side.
pub struct Passage {
    file: File,
    path: PathBuf,
}

impl Passage {
    /// A file of its own in `dir`; `None` where none can be made, and then bytes come in messages.
    pub async fn make(dir: PathBuf) -> Option<Self> {
        let made = tokio::task::spawn_blocking(move || Self::make_blocking(&dir)).await;
        let logged = |error| tracing::debug!(%error, "no file to pass bytes through");
        made.ok()?.map_err(logged).ok()
    }

    fn make_blocking(dir: &Path) -> std::io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = dir.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path })
    }

    pub fn name(&self) -> Option<wire::File> {
        shared_file::name(&self.file, &self.path)
    }

    /// The bytes of a part. InvalidArgument where they are not there. On this thread: they were written
    /// a moment ago, so that to copy them from memory takes less time than to ask another thread.
    pub fn take(&self, passed: wire::Passed) -> Result<Bytes> {
        take(&self.file, &passed)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "a passage stays");
        }
    }
}

fn take(file: &File, &wire::Passed { offset, length }: &wire::Passed) -> Result<Bytes> {
    if length > MAX_PART || offset > MAX_FILE {
        let message = format!("{length} bytes at {offset} are no part of the file that was named");
        return Err(Error::invalid(message));
    }
    // Bounded just now.
    let length = length as usize;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = offset + bytes.len() as u64;
        let read = rustix::io::pread(file, spare_capacity(&mut bytes), at)
            .map_err(|error| Error::io("a file that bytes pass through", error.into()))?;
        if read == 0 {
            let message = format!("the file that was named ends at {at}, within what was passed");
            return Err(Error::invalid(message));
        }
    }
    bytes.truncate(length);
    Ok(bytes.into())
}

/// The writer's side.
pub struct Passing {
    file: File,
    next: u64,
}

impl Passing {
    /// Through the file that the store named, if it is seen here.
    pub async fn through(file: wire::File) -> Option<Self> {
        Some(Self { file: shared_file::open_to_write(file).await?, next: 0 })
    }

    /// Puts bytes where none are that were not answered yet; at most a chunk of them. On this thread: the
    /// file's few pages stay in memory, so that to copy into them takes less time than to ask another thread.
    pub fn put(&mut self, bytes: &[u8]) -> Result<wire::Passed> {
        let length = bytes.len() as u64;
        let offset = if self.next + length > ROUND { 0 } else { self.next };
        self.next = offset + length;
        let put = self.file.write_all_at(bytes, offset);
        put.map_err(|error| Error::io("the file that bytes pass through to the store", error))?;
        Ok(wire::Passed { offset, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_put_in_is_taken_out_round_after_round() {
        let dir = tempfile::tempdir().unwrap();
        let passage = Passage::make(dir.path().to_owned()).await.unwrap();
        let mut passing = Passing::through(passage.name().unwrap()).await.unwrap();
        for n in 0..20_u8 {
            let bytes = Bytes::from(vec![n; CHUNK - usize::from(n)]);
            let passed = passing.put(&bytes).unwrap();
            assert!(passed.offset + passed.length <= ROUND);
            assert_eq!(passage.take(passed).unwrap(), bytes);
        }
        drop(passage);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file goes with it");
    }

    #[tokio::test]
    async fn what_is_in_flight_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let passage = Passage::make(dir.path().to_owned()).await.unwrap();
        let mut passing = Passing::through(passage.name().unwrap()).await.unwrap();
        let mut flying = std::collections::VecDeque::new();
        for n in 0..200_usize {
            let bytes = Bytes::from(vec![n as u8; 1 + n * 7919 % CHUNK]);
            let in_flight = |all: &std::collections::VecDeque<(_, Bytes)>| -> usize {
                all.iter().map(|(_, bytes)| bytes.len()).sum()
            };
            while in_flight(&flying) + bytes.len() > BYTES_IN_FLIGHT {
                let (passed, bytes) = flying.pop_front().unwrap();
                assert_eq!(passage.take(passed).unwrap(), bytes);
            }
            flying.push_back((passing.put(&bytes).unwrap(), bytes));
        }
    }

    #[tokio::test]
    async fn a_part_that_is_not_there_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let passage = Passage::make(dir.path().to_owned()).await.unwrap();
        for (offset, length) in [(0, 1), (0, MAX_PART + 1), (MAX_FILE + 1, 1), (u64::MAX, 1)] {
            let error = passage.take(wire::Passed { offset, length }).unwrap_err();
            assert_eq!(error.kind(), varve_core::Kind::InvalidArgument, "{error}");
        }
    }
}
