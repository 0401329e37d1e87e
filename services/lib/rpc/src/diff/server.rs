//! The differs of every driver, served. A request names none: its mounts tell whose they are.

use std::path::Path;
use std::sync::Arc;

use tonic::{Request, Response, Status};
use varve_core::snapshotters::{Snapshotter, Snapshotters};
use varve_core::{Error, Kind, Mount, Result};
use varve_proto::containerd::services::diff::v1::diff_server::{Diff as Wire, DiffServer};
use varve_proto::containerd::services::diff::v1::{
    ApplyRequest, ApplyResponse, DiffRequest, DiffResponse,
};

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
        let mounts: Vec<_> = mounts.into_iter().map(convert::from_mount).collect();
        let snapshotter = owner(&*self.0, &mounts).await.map_err(to_status)?;
        let applied = snapshotter.diff.apply(&scope, &blob, &mounts).await.map_err(to_status)?;
        Ok(Response::new(ApplyResponse { applied: Some(convert::descriptor(&applied)) }))
    }

    async fn diff(&self, _: Request<DiffRequest>) -> Result<Response<DiffResponse>, Status> {
        let message = "Varve makes no layers out of snapshots yet";
        Err(to_status(Error::new(Kind::Unimplemented, message)))
    }
}

/// The snapshotter below whose directory the mounts lie. It checks them again, one by one.
async fn owner(snapshotters: &dyn Snapshotters, mounts: &[Mount]) -> Result<Snapshotter> {
    let lies_in = |dir: &Path| {
        let path = |mount: &Mount| {
            Path::new(mount.option("upperdir").unwrap_or(&mount.source)).starts_with(dir)
        };
        mounts.iter().any(path)
    };
    let drivers = snapshotters.drivers().await?.drivers;
    let driver = drivers.iter().find(|driver| driver.used && lies_in(&driver.dir));
    match driver {
        Some(driver) => snapshotters.open(&driver.name).await,
        None => Err(Error::invalid("the mounts are those of no snapshot of this service")),
    }
}
