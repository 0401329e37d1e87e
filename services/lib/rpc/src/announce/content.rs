//! Content that tells.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use varve_core::content::{Commit, Content, Follower, Info, OpenWriter, Reader, Status, Writer};
use varve_core::{Digest, Labels, Mask, Namespace, Result, Scope};
use varve_proto::containerd::events::{ContentCreate, ContentDelete};

use super::Announcing;
use crate::convert::signed;
use crate::events::Announcer;

#[async_trait]
impl Content for Announcing<dyn Content> {
    async fn info(&self, scope: &Scope, digest: &Digest) -> Result<Info> {
        self.inner.info(scope, digest).await
    }

    async fn update(
        &self,
        scope: &Scope,
        digest: &Digest,
        labels: &Labels,
        mask: &Mask,
    ) -> Result<Info> {
        self.inner.update(scope, digest, labels, mask).await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        self.inner.list(scope, filters).await
    }

    async fn delete(&self, scope: &Scope, digest: &Digest) -> Result<()> {
        self.inner.delete(scope, digest).await?;
        self.tell(&scope.namespace, &ContentDelete { digest: digest.to_string() });
        Ok(())
    }

    async fn reader(&self, scope: &Scope, digest: &Digest) -> Result<Arc<dyn Reader>> {
        self.inner.reader(scope, digest).await
    }

    async fn status(&self, scope: &Scope, ingest: &str) -> Result<Status> {
        self.inner.status(scope, ingest).await
    }

    async fn list_statuses(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Status>> {
        self.inner.list_statuses(scope, filters).await
    }

    async fn writer(&self, scope: &Scope, open: OpenWriter) -> Result<Box<dyn Writer>> {
        let inner = self.inner.writer(scope, open).await?;
        let (namespace, to) = (scope.namespace.clone(), self.to.clone());
        Ok(Box::new(AnnouncingWriter { inner, namespace, to }))
    }

    async fn abort(&self, scope: &Scope, ingest: &str) -> Result<()> {
        self.inner.abort(scope, ingest).await
    }

    async fn follow(&self, scope: &Scope, digest: &Digest) -> Result<Box<dyn Follower>> {
        self.inner.follow(scope, digest).await
    }

    fn passing(&self) -> Option<PathBuf> {
        self.inner.passing()
    }
}

/// A writer whose commit is told.
struct AnnouncingWriter {
    inner: Box<dyn Writer>,
    namespace: Namespace,
    to: Announcer,
}

#[async_trait]
impl Writer for AnnouncingWriter {
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
        let size = signed(self.inner.status().offset);
        let digest = self.inner.commit(commit).await?;
        let (name, media_type) = (digest.to_string(), String::new());
        self.to.tell(&self.namespace, &ContentCreate { digest: name, size, media_type });
        Ok(digest)
    }
}
