//! Content of a containerd: each blob is kept until it is deleted here.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use varve_core::content::{Commit, Content, Follower, Info, OpenWriter, Reader, Status, Writer};
use varve_core::labels::GC_ROOT;
use varve_core::{Digest, Error, Kind, Labels, Mask, Result, Scope};

use super::{Proxied, collected_meanwhile, kept, told};

#[async_trait]
impl Content for Proxied<dyn Content> {
    async fn info(&self, _: &Scope, digest: &Digest) -> Result<Info> {
        Ok(shown(self.inner.info(&self.scope(), digest).await?))
    }

    async fn update(&self, _: &Scope, digest: &Digest, new: &Labels, mask: &Mask) -> Result<Info> {
        Ok(shown(self.inner.update(&self.scope(), digest, &kept(new), mask).await?))
    }

    async fn list(&self, _: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        Ok(self.inner.list(&self.scope(), filters).await?.into_iter().map(shown).collect())
    }

    async fn delete(&self, _: &Scope, digest: &Digest) -> Result<()> {
        self.inner.delete(&self.scope(), digest).await
    }

    async fn reader(&self, _: &Scope, digest: &Digest) -> Result<Arc<dyn Reader>> {
        self.inner.reader(&self.scope(), digest).await
    }

    async fn status(&self, _: &Scope, ingest: &str) -> Result<Status> {
        self.inner.status(&self.scope(), ingest).await
    }

    async fn list_statuses(&self, _: &Scope, filters: &[String]) -> Result<Vec<Status>> {
        self.inner.list_statuses(&self.scope(), filters).await
    }

    async fn writer(&self, _: &Scope, open: OpenWriter) -> Result<Box<dyn Writer>> {
        let (content, scope, expected) = (Arc::clone(&self.inner), self.scope(), open.expected);
        match content.writer(&scope, open).await {
            Ok(inner) => Ok(Box::new(KeepingWriter { inner, content, scope })),
            Err(error) => Err(keep_there(&*content, &scope, expected, error).await),
        }
    }

    async fn abort(&self, _: &Scope, ingest: &str) -> Result<()> {
        self.inner.abort(&self.scope(), ingest).await
    }

    async fn follow(&self, _: &Scope, digest: &Digest) -> Result<Box<dyn Follower>> {
        self.inner.follow(&self.scope(), digest).await
    }

    fn passing(&self) -> Option<PathBuf> {
        self.inner.passing()
    }
}

fn shown(info: Info) -> Info {
    Info { labels: told(info.labels), ..info }
}

/// A client that hears that a blob is there takes it for its own, whoever put it there. Answers what it is
/// to hear.
async fn keep_there(
    content: &dyn Content,
    scope: &Scope,
    digest: Option<Digest>,
    error: Error,
) -> Error {
    let Some(digest) = digest.filter(|_| error.kind() == Kind::AlreadyExists) else { return error };
    let (labels, mask) = (kept(&Labels::new()), Mask::labels([&GC_ROOT.to_owned()]));
    match content.update(scope, &digest, &labels, &mask).await {
        Ok(_) => error,
        Err(other) => collected_meanwhile(other),
    }
}

/// A writer whose blob is kept.
struct KeepingWriter {
    inner: Box<dyn Writer>,
    content: Arc<dyn Content>,
    scope: Scope,
}

#[async_trait]
impl Writer for KeepingWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.inner.write(bytes).await
    }

    fn status(&self) -> Status {
        self.inner.status()
    }

    async fn digest(&mut self) -> Result<Digest> {
        self.inner.digest().await
    }

    async fn truncate(&mut self, size: u64) -> Result<()> {
        self.inner.truncate(size).await
    }

    async fn commit(&mut self, commit: Commit) -> Result<Digest> {
        // Where nobody said what the bytes are to hash to, the writer knows what they do.
        let digest = match commit.expected {
            Some(digest) => digest,
            None => self.inner.digest().await?,
        };
        let commit = Commit { labels: kept(&commit.labels), ..commit };
        match self.inner.commit(commit).await {
            Ok(digest) => Ok(digest),
            Err(error) => Err(keep_there(&*self.content, &self.scope, Some(digest), error).await),
        }
    }
}
