//! Who tells what happened: to the bus of this process, or to the process that has one.

use prost::Message;
use tokio::sync::mpsc;
use tonic::transport::Channel;
use varve_core::containers::Any;
use varve_core::{Namespace, time};
use varve_proto::containerd::events as wire;
use varve_proto::containerd::services::images::v1 as images;

use super::bus::{Bus, Event};
use super::client::Client;

/// Events on their way to another process; what comes while so many wait is not told.
const WAITING: usize = 1024;

/// Tells events. Nobody waits for it and nothing fails with it: what happened has happened. Clones
/// are the same one.
#[derive(Clone, Debug)]
pub struct Announcer(To);

#[derive(Clone, Debug)]
enum To {
    Here(Bus),
    Elsewhere(mpsc::Sender<Event>),
}

impl Announcer {
    /// To all who listen to `bus`.
    pub fn here(bus: &Bus) -> Self {
        Self(To::Here(bus.clone()))
    }

    /// To the process behind `channel`, in order, from a task of the current runtime. What happens
    /// while that process is away is never told: events are not stored.
    pub fn elsewhere(channel: Channel) -> Self {
        let (waiting, events) = mpsc::channel(WAITING);
        tokio::spawn(forward(Client::new(channel), events));
        Self(To::Elsewhere(waiting))
    }

    pub(crate) fn tell(&self, namespace: &Namespace, fact: &impl Fact) {
        let told = match &self.0 {
            To::Here(bus) => bus.publish(event(namespace, fact)).is_ok(),
            To::Elsewhere(waiting) => waiting.try_send(event(namespace, fact)).is_ok(),
        };
        if !told {
            tracing::warn!(%namespace, topic = fact.topic(), "an event is not told");
        }
    }
}

async fn forward(client: Client, mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        let topic = event.topic.clone();
        if let Err(error) = client.forward(event).await {
            tracing::debug!(topic, error = %error.chain(), "an event is not told");
        }
    }
}

fn event(namespace: &Namespace, fact: &impl Fact) -> Event {
    let event = Any { type_url: fact.name().to_owned(), value: fact.encode_to_vec().into() };
    let (namespace, topic) = (namespace.clone(), fact.topic().to_owned());
    Event { at: time::now(), namespace, topic, event: Some(event) }
}

/// A message of containerd's that is told under a topic, and the name that clients know its type by.
pub(crate) trait Fact: Message {
    fn topic(&self) -> &'static str;
    fn name(&self) -> &'static str;
}

macro_rules! facts {
    ($($fact:ty: $topic:literal, $name:literal;)*) => {
        $(impl Fact for $fact {
            fn topic(&self) -> &'static str {
                $topic
            }
            fn name(&self) -> &'static str {
                $name
            }
        })*
    };
}

facts! {
    images::ImageCreate: "/images/create", "containerd.services.images.v1.ImageCreate";
    images::ImageUpdate: "/images/update", "containerd.services.images.v1.ImageUpdate";
    images::ImageDelete: "/images/delete", "containerd.services.images.v1.ImageDelete";
    wire::NamespaceCreate: "/namespaces/create", "containerd.events.NamespaceCreate";
    wire::NamespaceUpdate: "/namespaces/update", "containerd.events.NamespaceUpdate";
    wire::NamespaceDelete: "/namespaces/delete", "containerd.events.NamespaceDelete";
    wire::ContainerCreate: "/containers/create", "containerd.events.ContainerCreate";
    wire::ContainerUpdate: "/containers/update", "containerd.events.ContainerUpdate";
    wire::ContainerDelete: "/containers/delete", "containerd.events.ContainerDelete";
    wire::ContentCreate: "/content/create", "containerd.events.ContentCreate";
    wire::ContentDelete: "/content/delete", "containerd.events.ContentDelete";
    wire::SnapshotPrepare: "/snapshot/prepare", "containerd.events.SnapshotPrepare";
    wire::SnapshotCommit: "/snapshot/commit", "containerd.events.SnapshotCommit";
    wire::SnapshotRemove: "/snapshot/remove", "containerd.events.SnapshotRemove";
}
