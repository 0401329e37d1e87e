//! Namespaces, served.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use varve_core::namespaces::Namespaces;
use varve_core::{Labels, Namespace, Result};
use varve_proto::containerd::services::namespaces::v1 as wire;
use varve_proto::containerd::services::namespaces::v1::namespaces_server::{
    Namespaces as Wire, NamespacesServer,
};

use crate::channel::MAX_MESSAGE;
use crate::convert;
use crate::status::to_status;

/// The wire over any namespaces.
pub fn server(namespaces: Arc<dyn Namespaces>) -> NamespacesServer<impl Wire> {
    NamespacesServer::new(Server(namespaces)).max_decoding_message_size(MAX_MESSAGE)
}

struct Server(Arc<dyn Namespaces>);

type Answer<T> = Result<Response<T>, Status>;

fn parse(name: &str) -> Result<Namespace, Status> {
    name.parse().map_err(to_status)
}

fn parts(wire: Option<wire::Namespace>) -> Result<(Namespace, Labels), Status> {
    let wire = wire.unwrap_or_default();
    Ok((parse(&wire.name)?, convert::from_labels(wire.labels)))
}

fn wire(name: &Namespace, labels: &Labels) -> wire::Namespace {
    wire::Namespace { name: name.to_string(), labels: convert::labels(labels) }
}

#[tonic::async_trait]
impl Wire for Server {
    async fn get(
        &self,
        request: Request<wire::GetNamespaceRequest>,
    ) -> Answer<wire::GetNamespaceResponse> {
        let name = parse(&request.into_inner().name)?;
        let labels = self.0.get(&name).await.map_err(to_status)?;
        let namespace = Some(wire(&name, &labels));
        Ok(Response::new(wire::GetNamespaceResponse { namespace }))
    }

    async fn list(
        &self,
        _: Request<wire::ListNamespacesRequest>,
    ) -> Answer<wire::ListNamespacesResponse> {
        let all = self.0.list().await.map_err(to_status)?;
        let namespaces = all.iter().map(|(name, labels)| wire(name, labels)).collect();
        Ok(Response::new(wire::ListNamespacesResponse { namespaces }))
    }

    async fn create(
        &self,
        request: Request<wire::CreateNamespaceRequest>,
    ) -> Answer<wire::CreateNamespaceResponse> {
        let (name, labels) = parts(request.into_inner().namespace)?;
        self.0.create(&name, &labels).await.map_err(to_status)?;
        let namespace = Some(wire(&name, &labels));
        Ok(Response::new(wire::CreateNamespaceResponse { namespace }))
    }

    async fn update(
        &self,
        request: Request<wire::UpdateNamespaceRequest>,
    ) -> Answer<wire::UpdateNamespaceResponse> {
        let wire::UpdateNamespaceRequest { namespace, update_mask } = request.into_inner();
        let (name, labels) = parts(namespace)?;
        let mask = convert::from_mask(update_mask, &[]).map_err(to_status)?;
        let labels = self.0.update(&name, &labels, &mask).await.map_err(to_status)?;
        let namespace = Some(wire(&name, &labels));
        Ok(Response::new(wire::UpdateNamespaceResponse { namespace }))
    }

    async fn delete(&self, request: Request<wire::DeleteNamespaceRequest>) -> Answer<()> {
        let name = parse(&request.into_inner().name)?;
        self.0.delete(&name).await.map(Response::new).map_err(to_status)
    }
}
