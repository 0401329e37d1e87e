//! The namespaces of a store elsewhere.

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::namespaces::Namespaces;
use varve_core::{Labels, Mask, Namespace, Result};
use varve_proto::containerd::services::namespaces::v1 as wire;
use varve_proto::containerd::services::namespaces::v1::namespaces_client::NamespacesClient;

use crate::channel::MAX_MESSAGE;
use crate::convert;
use crate::status::from_status;

/// The trait over a channel.
#[derive(Clone, Debug)]
pub struct Client(NamespacesClient<Channel>);

impl Client {
    pub fn new(channel: Channel) -> Self {
        Self(NamespacesClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
    }
}

fn wire(name: &Namespace, labels: &Labels) -> Option<wire::Namespace> {
    Some(wire::Namespace { name: name.to_string(), labels: convert::labels(labels) })
}

#[async_trait]
impl Namespaces for Client {
    async fn get(&self, namespace: &Namespace) -> Result<Labels> {
        let request = wire::GetNamespaceRequest { name: namespace.to_string() };
        let answer = self.0.clone().get(request).await.map_err(from_status)?.into_inner();
        Ok(convert::from_labels(answer.namespace.unwrap_or_default().labels))
    }

    async fn list(&self) -> Result<Vec<(Namespace, Labels)>> {
        let answer = self.0.clone().list(wire::ListNamespacesRequest::default()).await;
        let all = answer.map_err(from_status)?.into_inner().namespaces.into_iter();
        let read = |one: wire::Namespace| Ok((one.name.parse()?, convert::from_labels(one.labels)));
        all.map(read).collect()
    }

    async fn create(&self, namespace: &Namespace, labels: &Labels) -> Result<()> {
        let request = wire::CreateNamespaceRequest { namespace: wire(namespace, labels) };
        self.0.clone().create(request).await.map_err(from_status)?;
        Ok(())
    }

    async fn update(&self, namespace: &Namespace, labels: &Labels, mask: &Mask) -> Result<Labels> {
        let (namespace, update_mask) = (wire(namespace, labels), Some(convert::mask(mask)));
        let request = wire::UpdateNamespaceRequest { namespace, update_mask };
        let answer = self.0.clone().update(request).await.map_err(from_status)?.into_inner();
        Ok(convert::from_labels(answer.namespace.unwrap_or_default().labels))
    }

    async fn delete(&self, namespace: &Namespace) -> Result<()> {
        let request = wire::DeleteNamespaceRequest { name: namespace.to_string() };
        self.0.clone().delete(request).await.map_err(from_status)?;
        Ok(())
    }
}
