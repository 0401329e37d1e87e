//! Events told to a process elsewhere.

use tonic::transport::Channel;
use varve_core::containers::Any;
use varve_core::{Result, Scope};
use varve_proto::containerd::services::events::v1::events_client::EventsClient;
use varve_proto::containerd::services::events::v1::{ForwardRequest, PublishRequest};

use super::bus::Event;
use super::server::{any, envelope};
use crate::scope;
use crate::status::from_status;

/// Whoever has the bus.
#[derive(Clone, Debug)]
pub struct Client(EventsClient<Channel>);

impl Client {
    pub fn new(channel: Channel) -> Self {
        Self(EventsClient::new(channel))
    }

    /// Tells an event of the scope's namespace, as of now.
    pub async fn publish(&self, scope: &Scope, topic: &str, event: Any) -> Result<()> {
        let request = PublishRequest { topic: topic.to_owned(), event: Some(any(event)) };
        self.0.clone().publish(scope::request(scope, request)).await.map_err(from_status)?;
        Ok(())
    }

    /// Tells an event with the namespace and time that it has.
    pub async fn forward(&self, event: Event) -> Result<()> {
        let request = ForwardRequest { envelope: Some(envelope(event)) };
        self.0.clone().forward(request).await.map_err(from_status)?;
        Ok(())
    }
}
