//! Events told to a process elsewhere, and those that it tells.

use tonic::Streaming;
use tonic::transport::Channel;
use varve_core::containers::Any;
use varve_core::{Result, Scope};
use varve_proto::containerd::services::events::v1::events_client::EventsClient;
use varve_proto::containerd::services::events::v1::{
    Envelope, ForwardRequest, PublishRequest, SubscribeRequest,
};

use super::bus::Event;
use super::server::{any, envelope, from_envelope};
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
    /// What is told from now on of every namespace, and matches any of `filters`. InvalidArgument for
    /// a filter that is none.
    pub async fn listen(&self, filters: &[String]) -> Result<Listening> {
        let request = SubscribeRequest { filters: filters.to_vec() };
        let told = self.0.clone().subscribe(request).await.map_err(from_status)?;
        Ok(Listening(told.into_inner()))
    }
}

/// The events of a process elsewhere.
#[derive(Debug)]
pub struct Listening(Streaming<Envelope>);

impl Listening {
    /// The next event; `None` once that process stops. ResourceExhausted where some were missed.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        let envelope = self.0.message().await.map_err(from_status)?;
        envelope.map(|envelope| from_envelope(Some(envelope))).transpose()
    }
}
