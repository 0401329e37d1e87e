//! Taking files into the content store: hashed as they are stored, held by a lease from their first byte.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use varve_core::content::{Commit, Content, OpenWriter, Writer};
use varve_core::oci::Bounds;
use varve_core::{Digest, Error, Result, ResultExt, Scope};
use varve_snapshotter::apply::Limits;

use super::shelf::{At, File};
use crate::output::size;

/// Bytes read and written at once.
const CHUNK: usize = 1 << 20;

/// Takes files in.
pub struct Intake {
    content: Arc<dyn Content>,
    /// Under a lease.
    scope: Scope,
    /// Where blobs are kept, if that is known.
    dir: Option<PathBuf>,
    taken: AtomicU64,
    /// What documents and archives may have.
    pub bounds: Bounds,
    /// What a tar stream may.
    pub limits: Limits,
}

/// A blob that is being written.
pub struct Taking {
    content: Arc<dyn Content>,
    scope: Scope,
    ingest: String,
    writer: Box<dyn Writer>,
    commit: Commit,
}

impl Intake {
    /// Into `content`, under the lease of `scope`. `dir` is where that keeps blobs, if it is known.
    pub fn new(
        content: Arc<dyn Content>,
        scope: Scope,
        dir: Option<PathBuf>,
        bounds: Bounds,
        limits: Limits,
    ) -> Self {
        Self { content, scope, dir, taken: AtomicU64::new(0), bounds, limits }
    }

    pub fn content(&self) -> &dyn Content {
        &*self.content
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Begins a blob of `size` bytes. `None` where the one that is expected is here: the lease holds it then.
    /// ResourceExhausted where there is no room for it, as far as can be seen from here.
    pub async fn begin(&self, size: u64, expected: Option<Digest>) -> Result<Option<Taking>> {
        let lease = self.scope.lease.as_deref().unwrap_or_default();
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let ingest = format!("archive-{lease}-{number}");
        let open = OpenWriter { ingest: ingest.clone(), total: size, expected };
        let Some(writer) = self.content.writer(&self.scope, open).await.unless_exists()? else {
            return Ok(None);
        };
        let (content, scope) = (self.content.clone(), self.scope.clone());
        let commit = Commit { size, expected, ..Commit::default() };
        let taking = Taking { content, scope, ingest, writer, commit };
        if let Err(error) = self.check_room(size) {
            taking.abort().await;
            return Err(error);
        }
        Ok(Some(taking))
    }

    /// Takes in a file, or holds the blob that is here. Answers its digest.
    pub async fn file(&self, file: &File, expected: Option<Digest>) -> Result<Digest> {
        let (disk, start) = match &file.at {
            At::Store(digest) => return self.same(*digest, expected),
            At::Memory(bytes) => return self.bytes(bytes.clone()).await,
            At::Disk(disk, start) => (disk, *start),
        };
        let Some(mut taking) = self.begin(file.size, expected).await? else {
            return expected.ok_or_else(|| Error::internal("a blob of no digest is here already"));
        };
        let mut at = taking.offset();
        while at < file.size {
            let len = usize::try_from(file.size - at).unwrap_or(CHUNK).min(CHUNK);
            let bytes = read(disk.clone(), start + at, len).await;
            let written = match bytes {
                Ok(bytes) if bytes.is_empty() => Err(Error::data_loss("it became shorter")),
                Ok(bytes) => {
                    at += bytes.len() as u64;
                    taking.write(bytes).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                taking.abort().await;
                return Err(error);
            }
        }
        taking.finish().await
    }

    /// Takes in a document.
    pub async fn bytes(&self, bytes: Bytes) -> Result<Digest> {
        let digest = Digest::of(&bytes);
        let Some(mut taking) = self.begin(bytes.len() as u64, Some(digest)).await? else {
            return Ok(digest);
        };
        let rest = usize::try_from(taking.offset()).map_or(bytes.clone(), |at| bytes.slice(at..));
        if !rest.is_empty()
            && let Err(error) = taking.write(rest).await
        {
            taking.abort().await;
            return Err(error);
        }
        taking.finish().await
    }

    /// All bytes of a document, which must be small.
    pub async fn document(&self, file: &File) -> Result<Bytes> {
        self.bounds.check_size(file.size)?;
        self.head(file, usize::try_from(file.size).unwrap_or(usize::MAX)).await
    }

    /// The first `len` bytes of a file, or all of it where it has fewer.
    pub async fn head(&self, file: &File, len: usize) -> Result<Bytes> {
        let len = usize::try_from(file.size).unwrap_or(usize::MAX).min(len);
        match &file.at {
            At::Memory(bytes) => Ok(bytes.slice(..len)),
            At::Disk(disk, start) => read(disk.clone(), *start, len).await,
            At::Store(_) if len == 0 => Ok(Bytes::new()),
            At::Store(digest) => {
                self.content.reader(&self.scope, digest).await?.read_at(0, len).await
            }
        }
    }

    fn same(&self, digest: Digest, expected: Option<Digest>) -> Result<Digest> {
        match expected.is_none_or(|expected| expected == digest) {
            true => Ok(digest),
            false => Err(mismatch(digest, expected)),
        }
    }

    /// What an archive says of itself may be absurd.
    fn check_room(&self, needed: u64) -> Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let Ok(found) = rustix::fs::statvfs(dir) else { return Ok(()) };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if needed <= free {
            return Ok(());
        }
        let (needed, free) = (size::exact(needed), size::exact(free));
        Err(Error::exhausted(format!("has {needed}, and {free} are free in {}", dir.display())))
    }
}

async fn read(file: Arc<std::fs::File>, at: u64, len: usize) -> Result<Bytes> {
    let reading = tokio::task::spawn_blocking(move || File::read_disk(&file, at, len)).await;
    reading.map_err(|error| Error::internal("a task").with_source(error))?
}

fn mismatch(found: Digest, expected: Option<Digest>) -> Error {
    let wanted = expected.map_or_else(String::new, |digest| format!(", not {digest}"));
    Error::precondition(format!("its bytes are {found}{wanted}"))
}

impl Taking {
    /// Bytes that are there already: all of them where another namespace has the blob.
    pub fn offset(&self) -> u64 {
        self.writer.status().offset
    }

    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.writer.write(bytes).await
    }

    /// Checks size and digest, and makes it a blob. Where it is none, nothing of it stays.
    pub async fn finish(mut self) -> Result<Digest> {
        let done = self.commit().await;
        if done.is_err() {
            self.abort().await;
        }
        done
    }

    async fn commit(&mut self) -> Result<Digest> {
        let found = self.writer.digest().await?;
        let expected = self.commit.expected;
        if expected.is_some_and(|expected| expected != found) {
            return Err(mismatch(found, expected));
        }
        self.writer.commit(self.commit.clone()).await.unless_exists()?;
        Ok(found)
    }

    /// Gives the ingest up.
    pub async fn abort(self) {
        let Self { content, scope, ingest, writer, .. } = self;
        drop(writer);
        if let Err(error) = content.abort(&scope, &ingest).await {
            tracing::debug!(ingest, "not given up: {}", error.chain());
        }
    }
}
