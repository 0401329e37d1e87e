//! The snapshots of every driver, served: each request names its driver.

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use varve_core::snapshots::Snapshots;
use varve_core::snapshotters::Snapshotters;
use varve_core::{Error, Mount, Result};
use varve_proto::containerd::services::snapshots::v1 as wire;
use varve_proto::containerd::services::snapshots::v1::snapshots_server::{
    Snapshots as Wire, SnapshotsServer,
};

use super::convert::{info, new_snapshot};
use crate::channel::MAX_MESSAGE;
use crate::status::to_status;
use crate::{convert, scope};

/// Snapshots in one message of a list, as containerd has it.
const PAGE: usize = 100;

/// The wire over any set of snapshotters.
pub fn server(snapshotters: Arc<dyn Snapshotters>) -> SnapshotsServer<impl Wire> {
    SnapshotsServer::new(Server(snapshotters)).max_decoding_message_size(MAX_MESSAGE)
}

struct Server(Arc<dyn Snapshotters>);

impl Server {
    async fn of(&self, name: &str) -> Result<Arc<dyn Snapshots>, Status> {
        Ok(self.0.open(name).await.map_err(to_status)?.snapshots)
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Pages = Pin<Box<dyn Stream<Item = Result<wire::ListSnapshotsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Wire for Server {
    type ListStream = Pages;

    async fn prepare(
        &self,
        request: Request<wire::PrepareSnapshotRequest>,
    ) -> Answer<wire::PrepareSnapshotResponse> {
        let scope = scope::of(&request)?;
        let request = request.into_inner();
        let new = new_snapshot(request.key, request.parent, request.labels);
        let snapshots = self.of(&request.snapshotter).await?;
        let mounts = snapshots.prepare(&scope, new).await.map_err(to_status)?;
        Ok(Response::new(wire::PrepareSnapshotResponse { mounts: wire_mounts(mounts) }))
    }

    async fn view(
        &self,
        request: Request<wire::ViewSnapshotRequest>,
    ) -> Answer<wire::ViewSnapshotResponse> {
        let scope = scope::of(&request)?;
        let request = request.into_inner();
        let new = new_snapshot(request.key, request.parent, request.labels);
        let snapshots = self.of(&request.snapshotter).await?;
        let mounts = snapshots.view(&scope, new).await.map_err(to_status)?;
        Ok(Response::new(wire::ViewSnapshotResponse { mounts: wire_mounts(mounts) }))
    }

    async fn mounts(&self, request: Request<wire::MountsRequest>) -> Answer<wire::MountsResponse> {
        let scope = scope::of(&request)?;
        let wire::MountsRequest { snapshotter, key } = request.into_inner();
        let snapshots = self.of(&snapshotter).await?;
        let mounts = snapshots.mounts(&scope, &key).await.map_err(to_status)?;
        Ok(Response::new(wire::MountsResponse { mounts: wire_mounts(mounts) }))
    }

    async fn commit(&self, request: Request<wire::CommitSnapshotRequest>) -> Answer<()> {
        let scope = scope::of(&request)?;
        let request = request.into_inner();
        if !request.parent.is_empty() {
            return Err(to_status(rebase()));
        }
        let snapshots = self.of(&request.snapshotter).await?;
        let labels = convert::from_labels(request.labels);
        let done = snapshots.commit(&scope, &request.name, &request.key, &labels).await;
        done.map(Response::new).map_err(to_status)
    }

    async fn remove(&self, request: Request<wire::RemoveSnapshotRequest>) -> Answer<()> {
        let scope = scope::of(&request)?;
        let wire::RemoveSnapshotRequest { snapshotter, key } = request.into_inner();
        let done = self.of(&snapshotter).await?.remove(&scope, &key).await;
        done.map(Response::new).map_err(to_status)
    }

    async fn stat(
        &self,
        request: Request<wire::StatSnapshotRequest>,
    ) -> Answer<wire::StatSnapshotResponse> {
        let scope = scope::of(&request)?;
        let wire::StatSnapshotRequest { snapshotter, key } = request.into_inner();
        let found = self.of(&snapshotter).await?.stat(&scope, &key).await.map_err(to_status)?;
        Ok(Response::new(wire::StatSnapshotResponse { info: Some(info(found)) }))
    }

    async fn update(
        &self,
        request: Request<wire::UpdateSnapshotRequest>,
    ) -> Answer<wire::UpdateSnapshotResponse> {
        let scope = scope::of(&request)?;
        let wire::UpdateSnapshotRequest { snapshotter, info: new, update_mask } =
            request.into_inner();
        let mask = convert::from_mask(update_mask, &[]).map_err(to_status)?;
        let wire::Info { name, labels, .. } = new.unwrap_or_default();
        let labels = convert::from_labels(labels);
        let snapshots = self.of(&snapshotter).await?;
        let updated = snapshots.update(&scope, &name, &labels, &mask).await.map_err(to_status)?;
        Ok(Response::new(wire::UpdateSnapshotResponse { info: Some(info(updated)) }))
    }

    async fn list(&self, request: Request<wire::ListSnapshotsRequest>) -> Answer<Self::ListStream> {
        let scope = scope::of(&request)?;
        let wire::ListSnapshotsRequest { snapshotter, filters } = request.into_inner();
        let snapshots = self.of(&snapshotter).await?;
        let all = snapshots.list(&scope, &filters).await.map_err(to_status)?;
        let all: Vec<_> = all.into_iter().map(info).collect();
        let pages: Vec<_> = { all.chunks(PAGE) }
            .map(|page| Ok(wire::ListSnapshotsResponse { info: page.to_vec() }))
            .collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(pages))))
    }

    async fn usage(&self, request: Request<wire::UsageRequest>) -> Answer<wire::UsageResponse> {
        let scope = scope::of(&request)?;
        let wire::UsageRequest { snapshotter, key } = request.into_inner();
        let usage = self.of(&snapshotter).await?.usage(&scope, &key).await.map_err(to_status)?;
        let (size, inodes) = (convert::signed(usage.size), convert::signed(usage.inodes));
        Ok(Response::new(wire::UsageResponse { size, inodes }))
    }

    /// What is removed is cleaned up by the snapshotter itself, in the background.
    async fn cleanup(&self, request: Request<wire::CleanupRequest>) -> Answer<()> {
        self.of(&request.into_inner().snapshotter).await?;
        Ok(Response::new(()))
    }
}

fn wire_mounts(mounts: Vec<Mount>) -> Vec<varve_proto::containerd::types::Mount> {
    mounts.into_iter().map(convert::mount).collect()
}

fn rebase() -> Error {
    Error::new(varve_core::Kind::Unimplemented, "committing on another parent (rebase)")
}
