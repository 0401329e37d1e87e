//! Services elsewhere: all behind one address, or each behind its own.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use varve_core::Result;
use varve_rpc::channel::channel;
use varve_rpc::{
    Address, collect, containers, content, fetcher, images, leases, namespaces, resolver, unpack,
};

use super::Services;

/// Where each service is reached, as deploy/config/client.toml has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    pub content_store: Address,
    pub snapshotter: Address,
    pub resolver: Address,
    pub fetcher: Address,
}

impl Addresses {
    /// All behind `address`.
    pub fn one(address: Address) -> Self {
        Self {
            content_store: address.clone(),
            snapshotter: address.clone(),
            resolver: address.clone(),
            fetcher: address,
        }
    }

    /// Reads them from a file.
    pub fn load(path: &Path) -> Result<Self> {
        varve_rpc::config::load(path)
    }
}

/// Clients of the services at `addresses`. Connections are made when they are needed.
pub fn services(addresses: &Addresses) -> Services {
    let store = channel(&addresses.content_store);
    // Bulk bytes have a connection of their own, so that they never hold up a question.
    let bulk = channel(&addresses.content_store);
    Services {
        content: Arc::new(content::Client::new(bulk)),
        images: Arc::new(images::Client::new(store.clone())),
        leases: Arc::new(leases::Client::new(store.clone())),
        namespaces: Arc::new(namespaces::Client::new(store.clone())),
        containers: Arc::new(containers::Client::new(store.clone())),
        collector: Arc::new(collect::Client::new(store)),
        resolver: Arc::new(resolver::Client::new(channel(&addresses.resolver))),
        fetcher: Arc::new(fetcher::Client::new(channel(&addresses.fetcher))),
        snapshotters: Arc::new(unpack::Client::new(channel(&addresses.snapshotter))),
        content_dir: None,
    }
}
