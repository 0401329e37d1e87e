//! The follower: reads a digest's bytes behind whoever writes them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use varve_core::{Digest, Error, Kind, Result, content};

use super::{End, Ingest, Progress};
use crate::layout::{at, open_plain};
use crate::records::blocking;
use crate::store::Store;

/// Most bytes of one answer.
const CHUNK: u64 = 256 << 10;
/// Most bytes of the first one: a layer holds it while it waits for its turn to be extracted, and an
/// image has hundreds of layers.
const FIRST: u64 = 4 << 10;

/// Follows one digest.
pub struct Follower {
    store: Arc<Store>,
    digest: Digest,
    /// Bytes that were answered.
    offset: u64,
    source: Source,
    arrivals: watch::Receiver<u64>,
}

enum Source {
    Nowhere,
    Blob {
        file: Arc<File>,
        size: u64,
    },
    Ingest {
        ingest: Arc<Ingest>,
        file: Option<Arc<File>>,
        epoch: u64,
        seen: watch::Receiver<Progress>,
    },
}

/// What can be done without waiting.
enum Step {
    Bytes(Bytes),
    End,
    Wait,
    Again,
}

impl Follower {
    pub fn new(store: Arc<Store>, digest: Digest) -> Self {
        let arrivals = store.ingests.arrivals();
        Self { store, digest, offset: 0, source: Source::Nowhere, arrivals }
    }

    /// Finds the bytes; `false` where nobody has them yet.
    async fn find(&mut self) -> Result<bool> {
        self.arrivals.borrow_and_update();
        if let Some(record) = self.store.held_by_any(&self.digest).await? {
            let (layout, digest, size) = (self.store.layout.clone(), self.digest, record.size);
            match blocking(move || layout.open_blob(&digest, size)).await {
                Ok(file) => {
                    self.source = Source::Blob { file: Arc::new(file), size };
                    return Ok(true);
                }
                // Somebody may be about to fetch it again.
                Err(error) if error.kind() == Kind::DataLoss => {}
                Err(error) => return Err(error),
            }
        }
        let Some(ingest) = self.store.ingests.expecting(&self.digest) else { return Ok(false) };
        let seen = ingest.progress.subscribe();
        let epoch = seen.borrow().epoch;
        self.source = Source::Ingest { ingest, file: None, epoch, seen };
        Ok(true)
    }

    async fn step(&mut self) -> Result<Step> {
        match &self.source {
            Source::Nowhere => Ok(if self.find().await? { Step::Again } else { Step::Wait }),
            Source::Blob { file, size } => {
                let (file, size) = (Arc::clone(file), *size);
                self.blob(file, size).await
            }
            Source::Ingest { .. } => self.ingest().await,
        }
    }

    async fn blob(&mut self, file: Arc<File>, size: u64) -> Result<Step> {
        if self.offset == size {
            return Ok(Step::End);
        }
        let bytes = read(file, self.offset, self.most().min(size - self.offset)).await?;
        if bytes.is_empty() {
            return Err(Error::data_loss(format!("blob {}: its file has shrunk", self.digest)));
        }
        Ok(self.answer(bytes))
    }

    async fn ingest(&mut self) -> Result<Step> {
        let Source::Ingest { ingest, epoch, seen, .. } = &mut self.source else {
            return Ok(Step::Again);
        };
        let progress = *seen.borrow_and_update();
        if progress.epoch != *epoch || progress.end == Some(End::Gone) {
            return self.lost();
        }
        let idle = progress.end.is_none() && !ingest.is_held();
        if idle && self.offset == 0 {
            // It may come from elsewhere, and then these bytes are no part of it.
            return self.lost();
        }
        if progress.offset > self.offset {
            let len = self.most().min(progress.offset - self.offset);
            return self.read_ingest(len).await;
        }
        match progress.end {
            Some(End::Committed(digest)) if digest == self.digest => Ok(Step::End),
            Some(_) => self.lost(),
            None if ingest.aims().expected != Some(self.digest) => self.lost(),
            None if idle => self.elsewhere().await,
            None => Ok(Step::Wait),
        }
    }

    /// Nobody writes the ingest that was read so far. Where the blob came by another way, its rest
    /// never will.
    async fn elsewhere(&mut self) -> Result<Step> {
        let came = self.store.held_by_any(&self.digest).await?.is_some();
        match &self.source {
            // It ended meanwhile, maybe as that very blob.
            Source::Ingest { seen, .. } if seen.has_changed().unwrap_or(true) => Ok(Step::Again),
            _ if came => self.lost(),
            _ => Ok(Step::Wait),
        }
    }

    fn most(&self) -> u64 {
        if self.offset == 0 { FIRST } else { CHUNK }
    }

    async fn read_ingest(&mut self, len: u64) -> Result<Step> {
        let Source::Ingest { ingest, file, epoch, seen } = &mut self.source else {
            return Ok(Step::Again);
        };
        let open = match file {
            Some(open) => Arc::clone(open),
            None => match open(Arc::clone(ingest), Arc::clone(&self.store), self.digest).await? {
                Some(opened) => Arc::clone(file.insert(Arc::new(opened))),
                None => return self.lost(),
            },
        };
        let bytes = read(open, self.offset, len).await?;
        // Bytes of a file that was cut meanwhile are another epoch's.
        if seen.borrow().epoch != *epoch || bytes.is_empty() {
            return self.lost();
        }
        Ok(self.answer(bytes))
    }

    fn answer(&mut self, bytes: Bytes) -> Step {
        self.offset += bytes.len() as u64;
        Step::Bytes(bytes)
    }

    /// The ingest was truncated or dropped: harmless as long as nothing was read.
    fn lost(&mut self) -> Result<Step> {
        self.source = Source::Nowhere;
        if self.offset == 0 {
            return Ok(Step::Again);
        }
        Err(Error::aborted(format!("the ingest of {} began anew; begin anew", self.digest)))
    }

    /// Waits until something moved. DeadlineExceeded after the stall limit.
    async fn wait(&mut self, limit: Duration) -> Result<()> {
        let moved = async {
            match &mut self.source {
                Source::Ingest { seen, .. } => tokio::select! {
                    moved = seen.changed() => moved,
                    moved = self.arrivals.changed() => moved,
                },
                _ => self.arrivals.changed().await,
            }
        };
        match tokio::time::timeout(limit, moved).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => self.lost().map(drop),
            Err(_) => Err(Error::new(
                Kind::DeadlineExceeded,
                format!("blob {}: nothing arrived for too long; is it being fetched?", self.digest),
            )),
        }
    }
}

#[async_trait]
impl content::Follower for Follower {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let deadline = Instant::now() + self.store.config.stall_limit;
        loop {
            match self.step().await? {
                Step::Bytes(bytes) => return Ok(Some(bytes)),
                Step::End => return Ok(None),
                Step::Again => tokio::task::yield_now().await,
                Step::Wait => {
                    let limit = deadline.saturating_duration_since(Instant::now());
                    self.wait(limit).await?;
                }
            }
        }
    }
}

async fn read(file: Arc<File>, offset: u64, len: u64) -> Result<Bytes> {
    blocking(move || {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        let read = file.read_at(&mut bytes, offset);
        let read = read.map_err(|error| Error::io("reading a blob in flight", error))?;
        bytes.truncate(read);
        Ok(bytes.into())
    })
    .await
}

/// The ingest's file, which may have become the blob's this moment.
async fn open(ingest: Arc<Ingest>, store: Arc<Store>, digest: Digest) -> Result<Option<File>> {
    blocking(move || {
        let file = open_plain(&ingest.data()).or_else(|_| open_plain(&store.layout.blob(&digest)));
        match file {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&ingest.data(), error)),
        }
    })
    .await
}
