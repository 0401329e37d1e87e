//! One driver's snapshots elsewhere.

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::snapshots::{Info, NewSnapshot, Snapshots, Usage};
use varve_core::{Labels, Mask, Mount, Result, Scope};
use varve_proto::containerd::services::snapshots::v1 as wire;
use varve_proto::containerd::services::snapshots::v1::snapshots_client::SnapshotsClient;

use super::convert::from_info;
use crate::channel::MAX_MESSAGE;
use crate::status::from_status;
use crate::{convert, scope};

/// The trait over a channel.
#[derive(Clone, Debug)]
pub struct Client {
    client: SnapshotsClient<Channel>,
    /// The driver, in each request.
    snapshotter: String,
}

impl Client {
    pub fn new(channel: Channel, snapshotter: &str) -> Self {
        let client = SnapshotsClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        Self { client, snapshotter: snapshotter.to_owned() }
    }

    fn client(&self) -> SnapshotsClient<Channel> {
        self.client.clone()
    }
}

#[async_trait]
impl Snapshots for Client {
    async fn stat(&self, scope: &Scope, key: &str) -> Result<Info> {
        let (snapshotter, key) = (self.snapshotter.clone(), key.to_owned());
        let request = scope::request(scope, wire::StatSnapshotRequest { snapshotter, key });
        let answer = self.client().stat(request).await.map_err(from_status)?;
        from_info(answer.into_inner().info)
    }

    async fn update(&self, scope: &Scope, key: &str, labels: &Labels, mask: &Mask) -> Result<Info> {
        let labels = convert::labels(labels);
        let info = wire::Info { name: key.to_owned(), labels, ..wire::Info::default() };
        let request = wire::UpdateSnapshotRequest {
            snapshotter: self.snapshotter.clone(),
            info: Some(info),
            update_mask: Some(convert::mask(mask)),
        };
        let request = scope::request(scope, request);
        let answer = self.client().update(request).await.map_err(from_status)?;
        from_info(answer.into_inner().info)
    }

    async fn usage(&self, scope: &Scope, key: &str) -> Result<Usage> {
        let (snapshotter, key) = (self.snapshotter.clone(), key.to_owned());
        let request = scope::request(scope, wire::UsageRequest { snapshotter, key });
        let answer = self.client().usage(request).await.map_err(from_status)?.into_inner();
        let size = convert::unsigned("the size of a snapshot", answer.size)?;
        let inodes = convert::unsigned("the inodes of a snapshot", answer.inodes)?;
        Ok(Usage { size, inodes })
    }

    async fn mounts(&self, scope: &Scope, key: &str) -> Result<Vec<Mount>> {
        let (snapshotter, key) = (self.snapshotter.clone(), key.to_owned());
        let request = scope::request(scope, wire::MountsRequest { snapshotter, key });
        let answer = self.client().mounts(request).await.map_err(from_status)?;
        Ok(answer.into_inner().mounts.into_iter().map(convert::from_mount).collect())
    }

    async fn prepare(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        let request = wire::PrepareSnapshotRequest {
            snapshotter: self.snapshotter.clone(),
            key: new.key,
            parent: new.parent.unwrap_or_default(),
            labels: convert::labels(&new.labels),
        };
        let request = scope::request(scope, request);
        let answer = self.client().prepare(request).await.map_err(from_status)?;
        Ok(answer.into_inner().mounts.into_iter().map(convert::from_mount).collect())
    }

    async fn view(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        let request = wire::ViewSnapshotRequest {
            snapshotter: self.snapshotter.clone(),
            key: new.key,
            parent: new.parent.unwrap_or_default(),
            labels: convert::labels(&new.labels),
        };
        let request = scope::request(scope, request);
        let answer = self.client().view(request).await.map_err(from_status)?;
        Ok(answer.into_inner().mounts.into_iter().map(convert::from_mount).collect())
    }

    async fn commit(&self, scope: &Scope, name: &str, key: &str, labels: &Labels) -> Result<()> {
        let request = wire::CommitSnapshotRequest {
            snapshotter: self.snapshotter.clone(),
            name: name.to_owned(),
            key: key.to_owned(),
            labels: convert::labels(labels),
            ..wire::CommitSnapshotRequest::default()
        };
        let request = scope::request(scope, request);
        self.client().commit(request).await.map_err(from_status)?;
        Ok(())
    }

    async fn remove(&self, scope: &Scope, key: &str) -> Result<()> {
        let (snapshotter, key) = (self.snapshotter.clone(), key.to_owned());
        let request = scope::request(scope, wire::RemoveSnapshotRequest { snapshotter, key });
        self.client().remove(request).await.map_err(from_status)?;
        Ok(())
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        let (snapshotter, filters) = (self.snapshotter.clone(), filters.to_vec());
        let request = scope::request(scope, wire::ListSnapshotsRequest { snapshotter, filters });
        let pages = self.client().list(request).await.map_err(from_status)?;
        let mut pages = pages.into_inner();
        let mut all = Vec::new();
        while let Some(page) = pages.message().await.map_err(from_status)? {
            for info in page.info {
                all.push(from_info(Some(info))?);
            }
        }
        Ok(all)
    }
}
