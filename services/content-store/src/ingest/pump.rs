//! The thread behind a writer: takes bytes from a channel, many at once, writes and hashes them,
//! and tells the followers.

use std::fs::File;
use std::io::{IoSlice, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, oneshot};
use varve_core::{Digest, Error, Hasher, Kind, Result};

use super::Ingest;
use super::channel::rehash;
use crate::layout::at;

/// Bytes taken at once.
const BATCH: usize = 256 << 10;
const SLICES: usize = 256;

/// What a writer asks of its thread; in the order in which it asks.
pub enum Request {
    /// The permit bounds what is in flight and is given back once the bytes are in the file.
    Bytes(Bytes, OwnedSemaphorePermit),
    Digest(oneshot::Sender<Digest>),
    Truncate(u64, oneshot::Sender<()>),
    /// Makes the file durable.
    Sync(oneshot::Sender<()>),
}

/// Why the thread ended early; told to the writer's next call.
pub type Failure = Arc<Mutex<Option<Error>>>;

/// The thread's side of a writer.
pub struct Pump {
    pub ingest: Arc<Ingest>,
    pub file: File,
    pub hasher: Hasher,
    /// Given on when the file has all bytes.
    pub _baton: OwnedMutexGuard<()>,
    pub requests: UnboundedReceiver<Request>,
    pub failure: Failure,
}

impl Pump {
    /// Serves until the writer is dropped and all that it wrote is in the file. After a failure the
    /// file is read anew by whoever opens the ingest next.
    pub fn run(mut self) {
        if let Err(error) = self.serve() {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }

    fn serve(&mut self) -> Result<()> {
        let mut next = self.requests.blocking_recv();
        while let Some(request) = next.take() {
            match request {
                Request::Bytes(first, permit) => {
                    let (batch, permits, other) = self.gather(first, permit);
                    self.append(&batch)?;
                    drop(permits);
                    next = other;
                }
                Request::Digest(answer) => drop(answer.send(self.hasher.digest())),
                Request::Truncate(size, answer) => {
                    self.truncate(size)?;
                    let _ = answer.send(());
                }
                Request::Sync(answer) => {
                    self.file.sync_data().map_err(|error| self.broken(error))?;
                    let _ = answer.send(());
                }
            }
            if next.is_none() {
                next = self.requests.blocking_recv();
            }
        }
        Ok(())
    }

    /// All bytes that wait already, up to a limit, and the first request that is none.
    fn gather(
        &mut self,
        first: Bytes,
        permit: OwnedSemaphorePermit,
    ) -> (Vec<Bytes>, Vec<OwnedSemaphorePermit>, Option<Request>) {
        let mut len = first.len();
        let (mut batch, mut permits) = (vec![first], vec![permit]);
        while len < BATCH && batch.len() < SLICES {
            match self.requests.try_recv() {
                Ok(Request::Bytes(bytes, permit)) => {
                    len += bytes.len();
                    batch.push(bytes);
                    permits.push(permit);
                }
                Ok(other) => return (batch, permits, Some(other)),
                Err(_) => break,
            }
        }
        (batch, permits, None)
    }

    /// Followers are told before the bytes are hashed: they only need the file.
    fn append(&mut self, batch: &[Bytes]) -> Result<()> {
        write_all(&mut self.file, batch).map_err(|error| self.broken(error))?;
        let len: usize = batch.iter().map(Bytes::len).sum();
        self.ingest.advance(self.hasher.len() + len as u64);
        batch.iter().for_each(|bytes| self.hasher.update(bytes));
        Ok(())
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        // First the epoch, then the file: a follower that reads in between sees that it changed.
        self.ingest.restart();
        self.hasher = self.cut(size).map_err(|error| self.broken(error))?;
        self.ingest.advance(self.hasher.len());
        Ok(())
    }

    fn cut(&mut self, size: u64) -> std::io::Result<Hasher> {
        self.file.set_len(size)?;
        self.file.seek(SeekFrom::Start(0))?;
        rehash(&mut self.file)
    }

    fn broken(&self, error: std::io::Error) -> Error {
        let error = at(&self.ingest.data(), error);
        let what = match error.kind() {
            Kind::ResourceExhausted => "the disk is full; free some space and resume",
            _ => "its bytes cannot be written",
        };
        error.context(format!("ingest {}: {what}", self.ingest.reference))
    }
}

fn write_all(file: &mut File, batch: &[Bytes]) -> std::io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
    let mut rest = slices.as_mut_slice();
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
