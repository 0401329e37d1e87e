//! A containerd's collector, which is asked by the end of a lease and tells nothing.

use std::sync::Arc;

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::collect::{self, Attendee, Collected};
use varve_core::content::Content;
use varve_core::fsck::{Fsck, How, Report};
use varve_core::images::Images;
use varve_core::labels::GC_REF_CONTENT;
use varve_core::unpack::Progress;
use varve_core::{Digest, Result, Scope};
use varve_proto::containerd::services::leases::v1::leases_client::LeasesClient;
use varve_proto::containerd::services::leases::v1::{CreateRequest, DeleteRequest};

use super::none;
use crate::scope;
use crate::status::from_status;

pub struct Collector {
    pub channel: Channel,
    pub content: Arc<dyn Content>,
    pub images: Arc<dyn Images>,
}

#[async_trait]
impl collect::Collector for Collector {
    /// Those of labels and of images; what leases hold is not counted.
    async fn references(&self, scope: &Scope, digest: &Digest) -> Result<u64> {
        let digest = digest.to_string();
        let blobs = self.content.list(scope, &[]).await?;
        let labels = blobs.iter().flat_map(|blob| &blob.labels);
        let edges =
            labels.filter(|(key, value)| key.starts_with(GC_REF_CONTENT) && *value == &digest);
        let named = self.images.list(scope, &[format!("target.digest=={digest}")]).await?;
        Ok((edges.count() + named.len()) as u64)
    }

    async fn recount(&self) -> Result<Vec<String>> {
        Err(none("count references"))
    }

    /// What has gone is not told.
    async fn collect(&self, dry_run: bool) -> Result<Collected> {
        if dry_run {
            return Err(none("tell what it would remove"));
        }
        let mut leases = LeasesClient::new(self.channel.clone());
        let scope = Scope::default();
        let create = scope::request(&scope, CreateRequest::default());
        let lease = leases.create(create).await.map_err(from_status)?.into_inner().lease;
        let id = lease.unwrap_or_default().id;
        let delete = scope::request(&scope, DeleteRequest { id, sync: true });
        leases.delete(delete).await.map_err(from_status)?;
        Ok(Collected::default())
    }

    async fn collect_below(&self, _: &Scope, _: &[Digest]) -> Result<Collected> {
        self.collect(false).await
    }

    async fn attend(&self, _: &str, _: Arc<dyn Attendee>) -> Result<()> {
        Err(none("collect the snapshots of others"))
    }
}

#[async_trait]
impl Fsck for Collector {
    async fn fsck(&self, _: How, _: Progress) -> Result<Report> {
        Err(none("look for damage"))
    }
}
