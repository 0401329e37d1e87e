//! The differs of every driver, served. A request names none: its mounts tell whose they are.

use std::path::Path;
use std::sync::Arc;

use tonic::{Request, Response, Status};
use varve_core::diff::NewLayer;
use varve_core::snapshotters::{Snapshotter, Snapshotters};
use varve_core::{Error, Mount, Result};
use varve_proto::containerd::services::diff::v1::diff_server::{Diff as Wire, DiffServer};
use varve_proto::containerd::services::diff::v1::{
    ApplyRequest, ApplyResponse, DiffRequest, DiffResponse,
};
use varve_proto::containerd::types;

use crate::status::to_status;
use crate::{convert, scope};

/// The wire over any set of snapshotters.
pub fn server(snapshotters: Arc<dyn Snapshotters>) -> DiffServer<impl Wire> {
    DiffServer::new(Server(snapshotters))
}

struct Server(Arc<dyn Snapshotters>);

#[tonic::async_trait]
impl Wire for Server {
    async fn apply(
        &self,
        request: Request<ApplyRequest>,
    ) -> Result<Response<ApplyResponse>, Status> {
        let scope = scope::of(&request)?;
        let ApplyRequest { diff, mounts, .. } = request.into_inner();
        let blob = convert::from_descriptor(diff).map_err(to_status)?;
        let mounts = from_wire(mounts);
        let snapshotter = owner(&*self.0, &mounts).await.map_err(to_status)?;
        let applied = snapshotter.diff.apply(&scope, &blob, &mounts).await.map_err(to_status)?;
        Ok(Response::new(ApplyResponse { applied: Some(convert::descriptor(&applied)) }))
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<DiffResponse>, Status> {
        let scope = scope::of(&request)?;
        let mut request = request.into_inner();
        let lower = from_wire(std::mem::take(&mut request.left));
        let upper = from_wire(std::mem::take(&mut request.right));
        let layer = wanted(request).map_err(to_status)?;
        // A view of one layer stands in another snapshot's directory, and in the same driver's.
        let snapshotter = owner(&*self.0, &upper).await.map_err(to_status)?;
        let made = snapshotter.diff.diff(&scope, &lower, &upper, layer).await;
        Ok(Response::new(DiffResponse {
            diff: Some(convert::descriptor(&made.map_err(to_status)?)),
        }))
    }
}

/// Without a media type it is a layer of the default one.
fn wanted(request: DiffRequest) -> Result<NewLayer> {
    let mut layer = NewLayer {
        ingest: request.r#ref,
        labels: convert::from_labels(request.labels),
        ..NewLayer::default()
    };
    if !request.media_type.is_empty() {
        layer.media_type = request.media_type.into();
    }
    if request.source_date_epoch.is_some() {
        layer.latest = Some(convert::from_timestamp(request.source_date_epoch)?);
    }
    Ok(layer)
}

fn from_wire(mounts: Vec<types::Mount>) -> Vec<Mount> {
    mounts.into_iter().map(convert::from_mount).collect()
}

/// The snapshotter below whose directory the mounts lie. It checks them again, one by one.
async fn owner(snapshotters: &dyn Snapshotters, mounts: &[Mount]) -> Result<Snapshotter> {
    let lies_in = |dir: &Path| mounts.iter().any(|mount| Path::new(mount.top()).starts_with(dir));
    let drivers = snapshotters.drivers().await?.drivers;
    let driver = drivers.iter().find(|driver| driver.used && lies_in(&driver.dir));
    match driver {
        Some(driver) => snapshotters.open(&driver.name).await,
        None => Err(Error::invalid("the mounts are those of no snapshot of this service")),
    }
}
