//! Services elsewhere: all behind one address, or each behind its own.

use std::sync::Arc;

use varve_core::Result;
use varve_core::content::Content;
use varve_core::oci::Bounds;
use varve_rpc::channel::{Channel, channel};
use varve_rpc::{
    Address, collect, containerd, containers, content, fetcher, images, leases, namespaces,
    resolver, unpack,
};
use varve_snapshotter::apply::Limits;

use super::{Services, embedded};
use crate::args::Global;
use crate::config::Config;

/// Where each service is reached, as deploy/config/client.toml has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Addresses {
    pub content_store: Address,
    pub snapshotter: Address,
    pub resolver: Address,
    pub fetcher: Address,
}

/// The addresses that --address or --config name; none for those of a root.
pub fn named(global: &Global) -> Result<Vec<Address>> {
    if let Some(address) = &global.address {
        return Ok(vec![address.clone()]);
    }
    let all = |it: Addresses| vec![it.content_store, it.snapshotter, it.resolver, it.fetcher];
    Ok(Config::of(global)?.addresses.map(all).unwrap_or_default())
}

/// Clients of the services at `addresses`. Connections are made when they are needed.
pub fn services(addresses: &Addresses) -> Services {
    over(&Channels {
        content_store: channel(&addresses.content_store),
        snapshotter: channel(&addresses.snapshotter),
        resolver: channel(&addresses.resolver),
        fetcher: channel(&addresses.fetcher),
    })
}

/// Clients of a daemon that has all of them.
pub fn at(daemon: Channel) -> Services {
    over(&Channels {
        content_store: daemon.clone(),
        snapshotter: daemon.clone(),
        resolver: daemon.clone(),
        fetcher: daemon,
    })
}

/// Clients of a containerd. What it has no service for is done here: names are resolved and blobs are fetched with
/// `config`.
pub fn at_containerd(channel: Channel, config: &Config) -> Services {
    let content: Arc<dyn Content> = Arc::new(content::Client::of_containerd(channel.clone()));
    let (services, registry) = (at(channel.clone()), config.registry());
    let leases = Arc::new(containerd::Leases(services.leases.clone()));
    let images = Arc::new(containerd::Images {
        images: services.images.clone(),
        content: content.clone(),
        containers: services.containers.clone(),
        leases: leases.clone(),
    });
    let collector = Arc::new(containerd::Collector {
        channel: channel.clone(),
        content: content.clone(),
        images: images.clone(),
    });
    Services {
        collector: collector.clone(),
        fsck: collector,
        snapshotters: Arc::new(containerd::Snapshotters { channel, content: content.clone() }),
        resolver: embedded::resolver(content.clone(), registry.clone(), config),
        fetcher: embedded::fetcher(content.clone(), registry, config),
        content,
        images,
        leases,
        ..services
    }
}

struct Channels {
    content_store: Channel,
    snapshotter: Channel,
    resolver: Channel,
    fetcher: Channel,
}

fn over(channels: &Channels) -> Services {
    let store = || channels.content_store.clone();
    Services {
        content: Arc::new(content::Client::new(store())),
        images: Arc::new(images::Client::new(store())),
        leases: Arc::new(leases::Client::new(store())),
        namespaces: Arc::new(namespaces::Client::new(store())),
        containers: Arc::new(containers::Client::new(store())),
        collector: Arc::new(collect::Client::new(store())),
        fsck: Arc::new(collect::Client::new(store())),
        resolver: Arc::new(resolver::Client::new(channels.resolver.clone())),
        fetcher: Arc::new(fetcher::Client::new(channels.fetcher.clone())),
        snapshotters: Arc::new(unpack::Client::new(channels.snapshotter.clone())),
        content_dir: None,
        bounds: Bounds::default(),
        limits: Limits::default(),
    }
}
