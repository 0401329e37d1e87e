//! The containers of a store elsewhere.

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::containers::{Container, Containers};
use varve_core::{Mask, Result, Scope};
use varve_proto::containerd::services::containers::v1 as wire;
use varve_proto::containerd::services::containers::v1::containers_client::ContainersClient;

use super::convert::{container, from_container};
use crate::channel::MAX_MESSAGE;
use crate::status::from_status;
use crate::{convert, scope};

/// The trait over a channel.
#[derive(Clone, Debug)]
pub struct Client(ContainersClient<Channel>);

impl Client {
    pub fn new(channel: Channel) -> Self {
        Self(ContainersClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
    }
}

#[async_trait]
impl Containers for Client {
    async fn get(&self, scope: &Scope, id: &str) -> Result<Container> {
        let request = scope::request(scope, wire::GetContainerRequest { id: id.to_owned() });
        let answer = self.0.clone().get(request).await.map_err(from_status)?;
        from_container(answer.into_inner().container)
    }

    /// A message each: the specs of many do not fit into one.
    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Container>> {
        let request = wire::ListContainersRequest { filters: filters.to_vec() };
        let messages = self.0.clone().list_stream(scope::request(scope, request)).await;
        let mut messages = messages.map_err(from_status)?.into_inner();
        let mut all = Vec::new();
        while let Some(message) = messages.message().await.map_err(from_status)? {
            all.push(from_container(message.container)?);
        }
        Ok(all)
    }

    async fn create(&self, scope: &Scope, new: &Container) -> Result<Container> {
        let request = wire::CreateContainerRequest { container: Some(container(new.clone())) };
        let answer = self.0.clone().create(scope::request(scope, request)).await;
        from_container(answer.map_err(from_status)?.into_inner().container)
    }

    async fn update(&self, scope: &Scope, new: &Container, mask: &Mask) -> Result<Container> {
        let (container, mask) = (Some(container(new.clone())), Some(convert::mask(mask)));
        let request = wire::UpdateContainerRequest { container, update_mask: mask };
        let answer = self.0.clone().update(scope::request(scope, request)).await;
        from_container(answer.map_err(from_status)?.into_inner().container)
    }

    async fn delete(&self, scope: &Scope, id: &str) -> Result<()> {
        let request = scope::request(scope, wire::DeleteContainerRequest { id: id.to_owned() });
        self.0.clone().delete(request).await.map_err(from_status)?;
        Ok(())
    }
}
