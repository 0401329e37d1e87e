//! Containers, served.

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use varve_core::Result;
use varve_core::containers::{Container, Containers};
use varve_proto::containerd::services::containers::v1 as wire;
use varve_proto::containerd::services::containers::v1::containers_server::{
    Containers as Wire, ContainersServer,
};

use super::convert::{FIELDS, container, from_new};
use crate::channel::MAX_MESSAGE;
use crate::status::to_status;
use crate::{convert, scope};

/// The wire over any containers.
pub fn server(containers: Arc<dyn Containers>) -> ContainersServer<impl Wire> {
    ContainersServer::new(Server(containers)).max_decoding_message_size(MAX_MESSAGE)
}

struct Server(Arc<dyn Containers>);

type Answer<T> = Result<Response<T>, Status>;
type Messages = Pin<Box<dyn Stream<Item = Result<wire::ListContainerMessage, Status>> + Send>>;

impl Server {
    async fn all(
        &self,
        request: Request<wire::ListContainersRequest>,
    ) -> Result<Vec<Container>, Status> {
        let scope = scope::of(&request)?;
        self.0.list(&scope, &request.into_inner().filters).await.map_err(to_status)
    }
}

#[tonic::async_trait]
impl Wire for Server {
    type ListStreamStream = Messages;

    async fn get(
        &self,
        request: Request<wire::GetContainerRequest>,
    ) -> Answer<wire::GetContainerResponse> {
        let scope = scope::of(&request)?;
        let found = self.0.get(&scope, &request.into_inner().id).await.map_err(to_status)?;
        Ok(Response::new(wire::GetContainerResponse { container: Some(container(found)) }))
    }

    async fn list(
        &self,
        request: Request<wire::ListContainersRequest>,
    ) -> Answer<wire::ListContainersResponse> {
        let containers = self.all(request).await?.into_iter().map(container).collect();
        Ok(Response::new(wire::ListContainersResponse { containers }))
    }

    async fn list_stream(
        &self,
        request: Request<wire::ListContainersRequest>,
    ) -> Answer<Self::ListStreamStream> {
        let message = |one| Ok(wire::ListContainerMessage { container: Some(container(one)) });
        let messages = self.all(request).await?.into_iter().map(message);
        Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
    }

    async fn create(
        &self,
        request: Request<wire::CreateContainerRequest>,
    ) -> Answer<wire::CreateContainerResponse> {
        let scope = scope::of(&request)?;
        let new = from_new(request.into_inner().container).map_err(to_status)?;
        let made = self.0.create(&scope, &new).await.map_err(to_status)?;
        Ok(Response::new(wire::CreateContainerResponse { container: Some(container(made)) }))
    }

    async fn update(
        &self,
        request: Request<wire::UpdateContainerRequest>,
    ) -> Answer<wire::UpdateContainerResponse> {
        let scope = scope::of(&request)?;
        let request = request.into_inner();
        let mask = convert::from_mask(request.update_mask, &FIELDS).map_err(to_status)?;
        let new = from_new(request.container).map_err(to_status)?;
        let updated = self.0.update(&scope, &new, &mask).await.map_err(to_status)?;
        Ok(Response::new(wire::UpdateContainerResponse { container: Some(container(updated)) }))
    }

    async fn delete(&self, request: Request<wire::DeleteContainerRequest>) -> Answer<()> {
        let scope = scope::of(&request)?;
        let done = self.0.delete(&scope, &request.into_inner().id).await;
        done.map(Response::new).map_err(to_status)
    }
}
