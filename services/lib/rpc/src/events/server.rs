//! A bus, served.

use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use varve_core::containers::Any;
use varve_core::{Error, Filter, Result, time};
use varve_proto::containerd::services::events::v1 as wire;
use varve_proto::containerd::services::events::v1::events_server::{Events as Wire, EventsServer};

use super::bus::{Bus, Event};
use crate::shutdown::Shutdown;
use crate::status::to_status;
use crate::{convert, scope};

/// The wire over a bus. Those who listen are let go when `shutdown` begins.
pub fn server(bus: Bus, shutdown: Shutdown) -> EventsServer<impl Wire> {
    EventsServer::new(Server { bus, shutdown })
}

struct Server {
    bus: Bus,
    shutdown: Shutdown,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Wire for Server {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<wire::Envelope, Status>> + Send>>;

    async fn publish(&self, request: Request<wire::PublishRequest>) -> Answer<()> {
        let namespace = scope::of(&request)?.namespace;
        let wire::PublishRequest { topic, event } = request.into_inner();
        let event = Event { at: time::now(), namespace, topic, event: event.map(from_any) };
        self.bus.publish(event).map(Response::new).map_err(to_status)
    }

    async fn forward(&self, request: Request<wire::ForwardRequest>) -> Answer<()> {
        let event = from_envelope(request.into_inner().envelope);
        let told = event.and_then(|event| self.bus.publish(event));
        told.map(Response::new).map_err(to_status)
    }

    async fn subscribe(
        &self,
        request: Request<wire::SubscribeRequest>,
    ) -> Answer<Self::SubscribeStream> {
        let filter = Filter::parse(&request.into_inner().filters).map_err(to_status)?;
        let events = unfold(Some((self.bus.listen(), filter)), |listening| async move {
            let (mut events, filter) = listening?;
            match next(&mut events, &filter).await {
                Ok(Some(event)) => Some((Ok(envelope(event)), Some((events, filter)))),
                Ok(None) => None,
                Err(error) => Some((Err(to_status(error)), None)),
            }
        });
        let shutdown = self.shutdown.clone();
        let over = async move { shutdown.started().await };
        Ok(Response::new(Box::pin(events.take_until(Box::pin(over)))))
    }
}

/// The next event that matches; `None` where there will be none.
async fn next(events: &mut Receiver<Event>, filter: &Filter) -> Result<Option<Event>> {
    loop {
        match events.recv().await {
            Ok(event) if filter.matches(&event) => return Ok(Some(event)),
            Ok(_) => {}
            Err(RecvError::Closed) => return Ok(None),
            Err(RecvError::Lagged(missed)) => {
                return Err(Error::exhausted(format!("{missed} events were missed; read faster")));
            }
        }
    }
}

pub fn envelope(event: Event) -> wire::Envelope {
    wire::Envelope {
        timestamp: Some(convert::timestamp(event.at)),
        namespace: event.namespace.to_string(),
        topic: event.topic,
        event: event.event.map(any),
    }
}

pub fn from_envelope(wire: Option<wire::Envelope>) -> Result<Event> {
    let wire = wire.ok_or_else(|| Error::invalid("an envelope is missing"))?;
    if wire.timestamp.is_none() {
        return Err(Error::invalid("an event that is forwarded has a time"));
    }
    Ok(Event {
        at: convert::from_timestamp(wire.timestamp)?,
        namespace: wire.namespace.parse()?,
        topic: wire.topic,
        event: wire.event.map(from_any),
    })
}

pub fn any(any: Any) -> prost_types::Any {
    prost_types::Any { type_url: any.type_url, value: any.value.into() }
}

fn from_any(wire: prost_types::Any) -> Any {
    Any { type_url: wire.type_url, value: wire.value.into() }
}
