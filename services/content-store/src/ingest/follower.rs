//! The follower: reads a digest's bytes behind whoever writes them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use varve_core::content::{self, Extent};
use varve_core::{Digest, Error, Kind, Namespace, Result};

use super::opened::Opened;
use super::{End, Ingest, Progress};
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
    /// Whoever has it, it is the same; this one's record is looked for first.
    namespace: Namespace,
    digest: Digest,
    /// Bytes that were answered.
    offset: u64,
    source: Source,
    arrivals: watch::Receiver<u64>,
}

enum Source {
    Nowhere,
    Blob {
        file: Arc<Opened>,
        size: u64,
    },
    Ingest {
        ingest: Arc<Ingest>,
        file: Option<Arc<Opened>>,
        epoch: u64,
        seen: watch::Receiver<Progress>,
    },
}

/// What can be done without waiting.
enum Step {
    /// There are bytes up to here.
    Ready(u64),
    End,
    Wait,
    Again,
}

impl Follower {
    pub fn new(store: Arc<Store>, namespace: Namespace, digest: Digest) -> Self {
        let arrivals = store.ingests.arrivals();
        Self { store, namespace, digest, offset: 0, source: Source::Nowhere, arrivals }
    }

    /// Finds the bytes; `false` where nobody has them yet.
    async fn find(&mut self) -> Result<bool> {
        self.arrivals.borrow_and_update();
        if let Some(record) = self.store.held(&self.namespace, &self.digest).await? {
            let (store, digest, size) = (Arc::clone(&self.store), self.digest, record.size);
            let open = move || {
                let file = store.open_sound(&digest, &record)?;
                Ok(Opened::new(file, store.layout.blob(&digest)))
            };
            match blocking(open).await {
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
            Source::Blob { size, .. } if self.offset == *size => Ok(Step::End),
            Source::Blob { size, .. } => Ok(Step::Ready(*size)),
            Source::Ingest { .. } => self.ingest().await,
        }
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
            return Ok(Step::Ready(progress.offset));
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
        let came = self.store.held(&self.namespace, &self.digest).await?.is_some();
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

    /// The file that the bytes are in; `None` where it went while nothing was read.
    async fn open(&mut self) -> Result<Option<Arc<Opened>>> {
        let ingest = match &self.source {
            Source::Nowhere => return Ok(None),
            Source::Blob { file, .. } | Source::Ingest { file: Some(file), .. } => {
                return Ok(Some(Arc::clone(file)));
            }
            Source::Ingest { ingest, .. } => Arc::clone(ingest),
        };
        let store = Arc::clone(&self.store);
        let Some(opened) = Opened::ingest(ingest, store, self.digest).await? else {
            return self.lost().map(|_| None);
        };
        let opened = Arc::new(opened);
        if let Source::Ingest { file, .. } = &mut self.source {
            *file = Some(Arc::clone(&opened));
        }
        Ok(Some(opened))
    }

    /// Whether bytes that were just read are still those of the digest, as far as one can tell yet.
    fn holds(&self) -> bool {
        match &self.source {
            Source::Ingest { epoch, seen, .. } => seen.borrow().epoch == *epoch,
            _ => true,
        }
    }

    /// Reads on, to `end` at most; `None` where the bytes went while nothing was read.
    async fn read(&mut self, end: u64) -> Result<Option<Bytes>> {
        let len = self.most().min(end - self.offset);
        let Some(file) = self.open().await? else { return Ok(None) };
        let bytes = file.read(self.offset, len).await?;
        // Bytes of a file that was cut meanwhile are another epoch's.
        if !self.holds() || bytes.is_empty() {
            return self.shrunk().map(|_| None);
        }
        self.offset += bytes.len() as u64;
        Ok(Some(bytes))
    }

    fn shrunk(&mut self) -> Result<Step> {
        match &self.source {
            Source::Ingest { .. } => self.lost(),
            _ => Err(Error::data_loss(format!("blob {}: its file has shrunk", self.digest))),
        }
    }

    /// Where there are bytes to, once there are more; `None` after the last.
    async fn ready(&mut self) -> Result<Option<u64>> {
        let deadline = Instant::now() + self.store.config.stall_limit;
        loop {
            match self.step().await? {
                Step::Ready(end) => return Ok(Some(end)),
                Step::End => return Ok(None),
                Step::Again => tokio::task::yield_now().await,
                Step::Wait => {
                    let limit = deadline.saturating_duration_since(Instant::now());
                    self.wait(limit).await?;
                }
            }
        }
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
        while let Some(end) = self.ready().await? {
            if let Some(bytes) = self.read(end).await? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    async fn next_extent(&mut self) -> Result<Option<Extent>> {
        while let Some(end) = self.ready().await? {
            let Some(file) = self.open().await? else { continue };
            if !self.holds() {
                self.lost()?;
                continue;
            }
            self.offset = end;
            return Ok(Some(file.extent(end)));
        }
        Ok(None)
    }
}
