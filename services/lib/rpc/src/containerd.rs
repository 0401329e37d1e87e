//! A containerd in place of Varve's services: what those add to its API, done with its own calls.
//!
//! Where Varve has one call, and with it one transaction, here are several, as containerd's own clients make them. What
//! containerd has no calls for is Unimplemented.

mod collector;
mod images;
mod leases;
mod snapshotters;
mod unpacker;

use tonic::transport::Channel;
use varve_core::{Error, Kind, Result};
use varve_proto::containerd::services::introspection::v1::introspection_client::IntrospectionClient;
use varve_proto::containerd::services::introspection::v1::{Plugin, PluginsRequest};

use crate::status::from_status;

pub use collector::Collector;
pub use images::Images;
pub use leases::Leases;
pub use snapshotters::Snapshotters;

/// What a containerd has, and nothing of Varve's.
const DATABASE: &str = "io.containerd.metadata.v1";

/// Whether a containerd is at the other end.
pub async fn is_at(channel: &Channel) -> Result<bool> {
    Ok(!plugins(channel, DATABASE).await?.is_empty())
}

/// The plugins of a type that work.
async fn plugins(channel: &Channel, kind: &str) -> Result<Vec<Plugin>> {
    let request = PluginsRequest { filters: vec![format!("type=={kind}")] };
    let answer = IntrospectionClient::new(channel.clone()).plugins(request).await;
    let mut plugins = answer.map_err(from_status)?.into_inner().plugins;
    plugins.retain(|plugin| plugin.init_err.is_none());
    Ok(plugins)
}

fn none(what: &str) -> Error {
    Error::new(Kind::Unimplemented, format!("a containerd does not {what}; a varve daemon does"))
}
