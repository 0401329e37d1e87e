//! Leases, served.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use varve_core::Result;
use varve_core::collect::Collector;
use varve_core::leases::Leases;
use varve_proto::containerd::services::leases::v1 as wire;
use varve_proto::containerd::services::leases::v1::leases_server::{Leases as Wire, LeasesServer};

use super::convert::{from_resource, lease, resource};
use crate::channel::MAX_MESSAGE;
use crate::status::to_status;
use crate::{convert, scope};

/// The wire over any leases; a deletion that is to be synchronous asks the collector.
pub fn server(leases: Arc<dyn Leases>, collector: Arc<dyn Collector>) -> LeasesServer<impl Wire> {
    let server = Server { leases, collector };
    LeasesServer::new(server).max_decoding_message_size(MAX_MESSAGE)
}

struct Server {
    leases: Arc<dyn Leases>,
    collector: Arc<dyn Collector>,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Wire for Server {
    async fn create(&self, request: Request<wire::CreateRequest>) -> Answer<wire::CreateResponse> {
        let scope = scope::of(&request)?;
        let wire::CreateRequest { id, labels } = request.into_inner();
        let labels = convert::from_labels(labels);
        let made = self.leases.create(&scope, &id, &labels).await.map_err(to_status)?;
        Ok(Response::new(wire::CreateResponse { lease: Some(lease(made)) }))
    }

    async fn delete(&self, request: Request<wire::DeleteRequest>) -> Answer<()> {
        let scope = scope::of(&request)?;
        let wire::DeleteRequest { id, sync } = request.into_inner();
        self.leases.delete(&scope, &id).await.map_err(to_status)?;
        if sync {
            self.collector.collect(false).await.map_err(to_status)?;
        }
        Ok(Response::new(()))
    }

    async fn list(&self, request: Request<wire::ListRequest>) -> Answer<wire::ListResponse> {
        let scope = scope::of(&request)?;
        let all = self.leases.list(&scope, &request.into_inner().filters).await;
        let leases = all.map_err(to_status)?.into_iter().map(lease).collect();
        Ok(Response::new(wire::ListResponse { leases }))
    }

    async fn add_resource(&self, request: Request<wire::AddResourceRequest>) -> Answer<()> {
        let scope = scope::of(&request)?;
        let wire::AddResourceRequest { id, resource } = request.into_inner();
        let resource = from_resource(resource).map_err(to_status)?;
        let done = self.leases.add_resource(&scope, &id, &resource).await;
        done.map(Response::new).map_err(to_status)
    }

    async fn delete_resource(&self, request: Request<wire::DeleteResourceRequest>) -> Answer<()> {
        let scope = scope::of(&request)?;
        let wire::DeleteResourceRequest { id, resource } = request.into_inner();
        let resource = from_resource(resource).map_err(to_status)?;
        let done = self.leases.delete_resource(&scope, &id, &resource).await;
        done.map(Response::new).map_err(to_status)
    }

    async fn list_resources(
        &self,
        request: Request<wire::ListResourcesRequest>,
    ) -> Answer<wire::ListResourcesResponse> {
        let scope = scope::of(&request)?;
        let all = self.leases.list_resources(&scope, &request.into_inner().id).await;
        let resources = all.map_err(to_status)?.iter().map(resource).collect();
        Ok(Response::new(wire::ListResourcesResponse { resources }))
    }
}
