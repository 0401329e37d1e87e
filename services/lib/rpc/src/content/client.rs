//! The content of a store elsewhere.

use std::sync::Arc;

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::content::{self, Content, Info, OpenWriter, Reader, Status};
use varve_core::{Digest, Labels, Mask, Result, Scope};
use varve_proto::containerd::services::content::v1 as wire;
use varve_proto::containerd::services::content::v1::content_client::ContentClient;
use varve_proto::varve::content::v1::content_store_client::ContentStoreClient;

use super::convert::{from_info, from_status as status};
use super::follower::Follower;
use super::left::Left;
use super::reader::Blob;
use super::writer::{Store, Writer};
use crate::channel::MAX_MESSAGE;
use crate::status::from_status;
use crate::{convert, scope};

/// The trait over a channel. Clones know of one another's writers.
#[derive(Clone, Debug)]
pub struct Client {
    content: ContentClient<Channel>,
    store: ContentStoreClient<Channel>,
    left: Left,
    /// A containerd, which has no calls of Varve's.
    foreign: bool,
}

impl Client {
    pub fn new(channel: Channel) -> Self {
        let content = ContentClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let store = ContentStoreClient::new(channel);
        Self { content, store, left: Left::default(), foreign: false }
    }

    /// A containerd's. Nothing of it can be followed.
    pub fn of_containerd(channel: Channel) -> Self {
        Self { foreign: true, ..Self::new(channel) }
    }

    fn store(&self) -> Store {
        match self.foreign {
            true => Store::Containerd(self.content()),
            false => Store::Varve(self.store.clone()),
        }
    }

    fn content(&self) -> ContentClient<Channel> {
        self.content.clone()
    }
}

#[async_trait]
impl Content for Client {
    async fn info(&self, scope: &Scope, digest: &Digest) -> Result<Info> {
        let request = scope::request(scope, wire::InfoRequest { digest: digest.to_string() });
        let answer = self.content().info(request).await.map_err(from_status)?;
        from_info(answer.into_inner().info)
    }

    async fn update(
        &self,
        scope: &Scope,
        digest: &Digest,
        labels: &Labels,
        mask: &Mask,
    ) -> Result<Info> {
        let (digest, labels) = (digest.to_string(), convert::labels(labels));
        let request = wire::UpdateRequest {
            info: Some(wire::Info { digest, labels, ..wire::Info::default() }),
            update_mask: Some(convert::mask(mask)),
        };
        let answer = self.content().update(scope::request(scope, request)).await;
        from_info(answer.map_err(from_status)?.into_inner().info)
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        let request = wire::ListContentRequest { filters: filters.to_vec() };
        let pages = self.content().list(scope::request(scope, request)).await;
        let mut pages = pages.map_err(from_status)?.into_inner();
        let mut all = Vec::new();
        while let Some(page) = pages.message().await.map_err(from_status)? {
            for info in page.info {
                all.push(from_info(Some(info))?);
            }
        }
        Ok(all)
    }

    async fn delete(&self, scope: &Scope, digest: &Digest) -> Result<()> {
        let request = wire::DeleteContentRequest { digest: digest.to_string() };
        self.content().delete(scope::request(scope, request)).await.map_err(from_status)?;
        Ok(())
    }

    /// Asks for the size, and for the head with it; each further read is a request of its own.
    async fn reader(&self, scope: &Scope, digest: &Digest) -> Result<Arc<dyn Reader>> {
        let size = self.info(scope, digest).await?.size;
        Ok(Arc::new(Blob::open(self.content(), scope, digest, size).await?))
    }

    async fn status(&self, scope: &Scope, ingest: &str) -> Result<Status> {
        self.left.settled(&scope.namespace, ingest).await;
        let request = scope::request(scope, wire::StatusRequest { r#ref: ingest.to_owned() });
        let answer = self.content().status(request).await.map_err(from_status)?;
        status(answer.into_inner().status)
    }

    async fn list_statuses(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Status>> {
        self.left.all_settled(&scope.namespace).await;
        let request = wire::ListStatusesRequest { filters: filters.to_vec() };
        let answer = self.content().list_statuses(scope::request(scope, request)).await;
        let statuses = answer.map_err(from_status)?.into_inner().statuses;
        statuses.into_iter().map(|one| status(Some(one))).collect()
    }

    async fn writer(&self, scope: &Scope, open: OpenWriter) -> Result<Box<dyn content::Writer>> {
        self.left.settled(&scope.namespace, &open.ingest).await;
        let expects = open.expected.is_some();
        let mut writer = Writer::open(self.store(), &self.left, scope, open).await?;
        if !expects {
            // An earlier writer may have said what it must become, which the stream does not tell.
            let ingest = content::Writer::status(&writer).ingest;
            writer.found(self.status(scope, &ingest).await?);
        }
        Ok(Box::new(writer))
    }

    async fn abort(&self, scope: &Scope, ingest: &str) -> Result<()> {
        self.left.settled(&scope.namespace, ingest).await;
        let request = scope::request(scope, wire::AbortRequest { r#ref: ingest.to_owned() });
        self.content().abort(request).await.map_err(from_status)?;
        Ok(())
    }

    async fn follow(&self, scope: &Scope, digest: &Digest) -> Result<Box<dyn content::Follower>> {
        Ok(Box::new(Follower::open(self.store.clone(), scope, digest).await?))
    }
}
