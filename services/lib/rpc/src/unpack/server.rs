//! The snapshotters of a root, served.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use varve_core::snapshotters::{Driver, Snapshotters};
use varve_core::unpack::{Layer, Progress, Unpacked};
use varve_core::{ChainId, DiffId, Result};
use varve_proto::containerd::types;
use varve_proto::varve::snapshots::v1 as wire;
use varve_proto::varve::snapshots::v1::unpack_response::Event;
use varve_proto::varve::snapshots::v1::unpacker_server::{Unpacker as Wire, UnpackerServer};

use super::{changes, trees};
use crate::progress::{Teller, Told, told};
use crate::status::to_status;
use crate::{convert, fsck, scope};

/// The wire over any set of snapshotters.
pub fn server(snapshotters: Arc<dyn Snapshotters>) -> UnpackerServer<impl Wire> {
    UnpackerServer::new(Server(snapshotters))
}

struct Server(Arc<dyn Snapshotters>);

#[tonic::async_trait]
impl Wire for Server {
    type UnpackStream = Told<wire::UnpackResponse>;

    async fn unpack(
        &self,
        request: Request<wire::UnpackRequest>,
    ) -> Result<Response<Self::UnpackStream>, Status> {
        let scope = scope::of(&request)?;
        let request = request.into_inner();
        let snapshotter = self.0.open(&request.snapshotter).await.map_err(to_status)?;
        let wire::UnpackRequest { blob, diff_id, parent, .. } = request;
        let layer = layer(blob, &diff_id, &parent).map_err(to_status)?;
        let work = |teller: Teller<wire::UnpackResponse>| async move {
            let tell = move |at| teller.at(at, |at| response(Event::At(at)));
            let unpacked = snapshotter.unpacker.unpack(&scope, layer, Progress::new(tell)).await?;
            Ok(response(Event::Done(done(unpacked))))
        };
        Ok(Response::new(told(work)))
    }

    type ChangesStream = changes::Told;

    async fn changes(
        &self,
        request: Request<wire::ChangesRequest>,
    ) -> Result<Response<Self::ChangesStream>, Status> {
        let scope = scope::of(&request)?;
        let wire::ChangesRequest { snapshotter, key } = request.into_inner();
        let snapshotter = self.0.open(&snapshotter).await.map_err(to_status)?;
        let listing = snapshotter.changes.changes(&scope, &key).await.map_err(to_status)?;
        Ok(Response::new(changes::told(listing)))
    }

    async fn drivers(
        &self,
        _: Request<wire::DriversRequest>,
    ) -> Result<Response<wire::DriversResponse>, Status> {
        let there = self.0.drivers().await.map_err(to_status)?;
        let driver = |driver: Driver| wire::Driver {
            name: driver.name,
            directory: driver.dir.to_string_lossy().into_owned(),
            used: driver.used,
            copies: driver.copies,
        };
        let drivers = there.drivers.into_iter().map(driver).collect();
        Ok(Response::new(wire::DriversResponse { default: there.default, drivers }))
    }

    async fn examine(
        &self,
        request: Request<wire::ExamineRequest>,
    ) -> Result<Response<wire::ExamineResponse>, Status> {
        let wire::ExamineRequest { snapshotter, repair } = request.into_inner();
        let snapshotter = self.0.open(&snapshotter).await.map_err(to_status)?;
        let findings = snapshotter.trees.examine(repair).await.map_err(to_status)?;
        let findings = findings.into_iter().map(fsck::finding).collect();
        Ok(Response::new(wire::ExamineResponse { findings }))
    }

    type CompareStream = Told<wire::CompareResponse>;

    async fn compare(
        &self,
        request: Request<wire::CompareRequest>,
    ) -> Result<Response<Self::CompareStream>, Status> {
        let scope = scope::of(&request)?;
        let request = request.into_inner();
        let snapshotter = self.0.open(&request.snapshotter).await.map_err(to_status)?;
        let repair = request.repair;
        let layer = layer(request.blob, &request.diff_id, &request.parent).map_err(to_status)?;
        Ok(Response::new(trees::told_of(snapshotter.trees, scope, layer, repair)))
    }
}

fn layer(blob: Option<types::Descriptor>, diff_id: &str, parent: &str) -> Result<Layer> {
    let parent = convert::from_optional_digest(parent)?.map(ChainId);
    let blob = convert::from_descriptor(blob)?;
    Ok(Layer { blob, diff_id: DiffId(diff_id.parse()?), parent })
}

fn done(unpacked: Unpacked) -> wire::Done {
    wire::Done {
        chain_id: unpacked.chain_id.to_string(),
        reused: unpacked.reused,
        size: unpacked.usage.size,
        inodes: unpacked.usage.inodes,
        notices: unpacked.notices,
    }
}

fn response(event: Event) -> wire::UnpackResponse {
    wire::UnpackResponse { event: Some(event) }
}
