//! The leases of a store elsewhere.

use std::time::Duration;

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::leases::{Lease, Leases, Resource};
use varve_core::{Error, Labels, Result, Scope};
use varve_proto::containerd::services::leases::v1 as wire;
use varve_proto::containerd::services::leases::v1::leases_client::LeasesClient;
use varve_proto::varve::content::v1 as own;
use varve_proto::varve::content::v1::content_store_client::ContentStoreClient;

use super::convert::{from_lease, from_resource, resource};
use crate::channel::MAX_MESSAGE;
use crate::status::from_status;
use crate::{convert, scope};

/// The trait over a channel.
#[derive(Clone, Debug)]
pub struct Client {
    leases: LeasesClient<Channel>,
    store: ContentStoreClient<Channel>,
}

impl Client {
    pub fn new(channel: Channel) -> Self {
        let leases = LeasesClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        Self { leases, store: ContentStoreClient::new(channel) }
    }

    fn leases(&self) -> LeasesClient<Channel> {
        self.leases.clone()
    }
}

#[async_trait]
impl Leases for Client {
    async fn create(&self, scope: &Scope, id: &str, labels: &Labels) -> Result<Lease> {
        let request = wire::CreateRequest { id: id.to_owned(), labels: convert::labels(labels) };
        let answer = self.leases().create(scope::request(scope, request)).await;
        from_lease(answer.map_err(from_status)?.into_inner().lease)
    }

    async fn renew(&self, scope: &Scope, id: &str, from_now: Duration) -> Result<Lease> {
        let from_now = prost_types::Duration::try_from(from_now)
            .map_err(|error| Error::invalid("a lease of that length").with_source(error))?;
        let request = own::RenewRequest { id: id.to_owned(), from_now: Some(from_now) };
        let answer = self.store.clone().renew(scope::request(scope, request)).await;
        from_lease(answer.map_err(from_status)?.into_inner().lease)
    }

    async fn delete(&self, scope: &Scope, id: &str) -> Result<()> {
        let request = wire::DeleteRequest { id: id.to_owned(), sync: false };
        self.leases().delete(scope::request(scope, request)).await.map_err(from_status)?;
        Ok(())
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Lease>> {
        let request = wire::ListRequest { filters: filters.to_vec() };
        let answer = self.leases().list(scope::request(scope, request)).await;
        let leases = answer.map_err(from_status)?.into_inner().leases;
        leases.into_iter().map(|lease| from_lease(Some(lease))).collect()
    }

    async fn add_resource(&self, scope: &Scope, id: &str, new: &Resource) -> Result<()> {
        let (id, resource) = (id.to_owned(), Some(resource(new)));
        let request = scope::request(scope, wire::AddResourceRequest { id, resource });
        self.leases().add_resource(request).await.map_err(from_status)?;
        Ok(())
    }

    async fn delete_resource(&self, scope: &Scope, id: &str, old: &Resource) -> Result<()> {
        let (id, resource) = (id.to_owned(), Some(resource(old)));
        let request = scope::request(scope, wire::DeleteResourceRequest { id, resource });
        self.leases().delete_resource(request).await.map_err(from_status)?;
        Ok(())
    }

    async fn list_resources(&self, scope: &Scope, id: &str) -> Result<Vec<Resource>> {
        let request = scope::request(scope, wire::ListResourcesRequest { id: id.to_owned() });
        let answer = self.leases().list_resources(request).await.map_err(from_status)?;
        let resources = answer.into_inner().resources.into_iter();
        resources.map(|resource| from_resource(Some(resource))).collect()
    }
}
