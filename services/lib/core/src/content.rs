//! The content store's trait: blobs by digest, and ingests on their way to become blobs.
//!
//! A blob that can be read by digest has been hashed to that digest. An ingest is named by a `ref`,
//! has one writer at a time, survives a restart, and is not a blob until it is committed. Blobs are
//! shared by all namespaces; labels, and whether a blob *is* here, are each namespace's own (the
//! shared policy of containerd: to know a digest is enough to be given its bytes).

use std::borrow::Cow;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::digest::Digest;
use crate::error::Result;
use crate::filter::Fields;
use crate::labels::Labels;
use crate::mask::Mask;
use crate::scope::Scope;
use crate::time::Timestamp;

/// The store of blobs and ingests (containerd.services.content.v1, and `follow` of varve.content.v1).
#[async_trait]
pub trait Content: Send + Sync {
    /// The facts of a blob. NotFound where this namespace has it not.
    async fn info(&self, scope: &Scope, digest: &Digest) -> Result<Info>;

    /// Replaces what `mask` names of the labels, raises `updated_at`, answers the new facts.
    /// Nothing but labels is mutable: another path is InvalidArgument.
    async fn update(
        &self,
        scope: &Scope,
        digest: &Digest,
        labels: &Labels,
        mask: &Mask,
    ) -> Result<Info>;

    /// The namespace's blobs that match any of `filters`, by digest.
    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>>;

    /// Takes a blob out of this namespace, whatever refers to it (containerd's semantics); its bytes
    /// go with the last namespace that has it. NotFound where it is not.
    async fn delete(&self, scope: &Scope, digest: &Digest) -> Result<()>;

    /// Opens a blob. NotFound where this namespace has it not; DataLoss where its file is missing or
    /// has another size than its record.
    async fn reader(&self, scope: &Scope, digest: &Digest) -> Result<Arc<dyn Reader>>;

    /// An ingest in flight. NotFound where there is none.
    async fn status(&self, scope: &Scope, ingest: &str) -> Result<Status>;

    /// The namespace's ingests that match any of `filters`, by ref.
    async fn list_statuses(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Status>>;

    /// Opens the ingest `open.ingest`, or resumes it at the offset that it has. Unavailable where
    /// another writer holds it. AlreadyExists where `open.expected` is in this namespace already
    /// (then the ingest is gone). Where only another namespace has it, the writer begins at the end
    /// and committing links the blob.
    async fn writer(&self, scope: &Scope, open: OpenWriter) -> Result<Box<dyn Writer>>;

    /// Drops an ingest and its bytes. NotFound where there is none; Unavailable while it is held.
    async fn abort(&self, scope: &Scope, ingest: &str) -> Result<()>;

    /// The bytes of `digest` from their start, as they arrive: a blob that is here, or any ingest
    /// that expects this digest, whoever writes it; where there is neither yet, waits for one.
    async fn follow(&self, scope: &Scope, digest: &Digest) -> Result<Box<dyn Follower>>;

    /// A directory of the store's own, empty whenever the store is opened: whoever serves it may pass
    /// bytes through files there to writers that see them. `None` where there is no such place.
    fn passing(&self) -> Option<PathBuf> {
        None
    }
}

/// The facts of a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Info {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub labels: Labels,
}

/// An ingest in flight.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// Its ref.
    pub ingest: String,
    /// Bytes it has.
    pub offset: u64,
    /// Bytes it will have; 0 where nobody said.
    pub total: u64,
    /// What it must hash to, where somebody said.
    pub expected: Option<Digest>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
}

/// How to open an ingest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OpenWriter {
    /// The ref, such as `layer-sha256:…`; must not be empty.
    pub ingest: String,
    /// Bytes it will have; 0 for unknown.
    pub total: u64,
    /// What it must hash to.
    pub expected: Option<Digest>,
}

/// How to end an ingest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Commit {
    /// Bytes it must have; 0 for whatever it has.
    pub size: u64,
    /// What it must hash to.
    pub expected: Option<Digest>,
    pub labels: Labels,
}

/// The one writer of an ingest. Dropping it keeps the ingest, to be resumed, and frees its ref.
#[async_trait]
pub trait Writer: Send {
    /// Appends. Answers when the bytes are taken, not when they are on disk.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Offset and times; bytes that `write` took are counted.
    fn status(&self) -> Status;

    /// The digest of the bytes so far.
    async fn digest(&mut self) -> Result<Digest>;

    /// Cuts the ingest to `size` bytes (only 0 is ever needed). Followers are told to begin anew.
    async fn truncate(&mut self, size: u64) -> Result<()>;

    /// Checks size and digest, makes the bytes durable, and makes them a blob of this namespace.
    /// FailedPrecondition on a mismatch, and the ingest stays; AlreadyExists where the blob was
    /// there, and the ingest is gone. After an answer of either sort the writer is done.
    async fn commit(&mut self, commit: Commit) -> Result<Digest>;
}

/// An open blob, to be read at any offset by many at once.
#[async_trait]
pub trait Reader: Send + Sync {
    /// Bytes in all.
    fn size(&self) -> u64;

    /// At most `len` bytes at `offset`; empty only at the end. OutOfRange beyond it.
    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes>;
}

impl dyn Reader {
    /// The whole blob, refused where it has more than `max` bytes: for documents, never for layers.
    pub async fn read_all(&self, max: u64) -> Result<Bytes> {
        let size = self.size();
        if size > max {
            let message = format!("a document of {size} bytes, more than {max}");
            return Err(crate::Error::exhausted(message));
        }
        let mut all = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        while (all.len() as u64) < size {
            let rest = usize::try_from(size - all.len() as u64).unwrap_or(usize::MAX);
            let bytes = self.read_at(all.len() as u64, rest).await?;
            if bytes.is_empty() {
                return Err(crate::Error::data_loss("a blob ended before its size"));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.into())
    }
}

/// The bytes of one digest behind whoever writes them.
#[async_trait]
pub trait Follower: Send {
    /// The next bytes (at most about 1 MiB); `None` only once the whole has been verified and
    /// committed. Aborted where the ingest was truncated or dropped: what was read means nothing,
    /// begin anew. DeadlineExceeded where nothing moved for longer than the store's stall limit.
    async fn next(&mut self) -> Result<Option<Bytes>>;

    /// As `next`, but tells where the next bytes stand and does not read them: whoever reads them from
    /// the file holds none in memory meanwhile. They count as given; the two may be mixed. Where the
    /// ingest is truncated, what is read meanwhile may be anything: only the next call tells.
    /// Unimplemented, and nothing counts as given, where there is no file.
    async fn next_extent(&mut self) -> Result<Option<Extent>> {
        Err(crate::Error::new(crate::Kind::Unimplemented, "these bytes are in no file"))
    }
}

/// How far a file can be read that holds the bytes of a digest from their start.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Open for reading, and read by offset.
    pub file: Arc<File>,
    /// Where others find it. It may be renamed meanwhile.
    pub path: PathBuf,
    /// Bytes that can be read, from the start; more each time.
    pub end: u64,
}

impl Fields for Info {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["digest"] => Some(self.digest.to_string().into()),
            ["size"] => Some(self.size.to_string().into()),
            ["labels", key @ ..] => crate::filter::label(&self.labels, key),
            _ => None,
        }
    }
}

impl Fields for Status {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        (path == ["ref"]).then(|| self.ingest.as_str().into())
    }
}
