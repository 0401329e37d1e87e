//! What a process that owns a root serves to others: every service, behind one socket.

use std::path::Path;

use varve_rpc::served::Store;
use varve_rpc::{Address, Served, Shutdown};

use super::embedded::Embedded;

/// The default root of root, and the socket of whoever owns it.
const DEFAULT_ROOT: &str = "/var/lib/varve";
const DEFAULT_SOCKET: &str = "/run/varve/varve.sock";

/// Where whoever owns `root` is reached: each root has a socket of its own.
pub fn address(root: &Path) -> Address {
    match root == Path::new(DEFAULT_ROOT) {
        true => Address::Unix(DEFAULT_SOCKET.into()),
        false => Address::Unix(root.join("varve.sock")),
    }
}

/// All services, and what is told of them.
pub fn served(Embedded { services, bus, .. }: &Embedded, shutdown: &Shutdown) -> Served {
    let store = Store {
        content: services.content.clone(),
        images: services.images.clone(),
        leases: services.leases.clone(),
        namespaces: services.namespaces.clone(),
        containers: services.containers.clone(),
        collector: services.collector.clone(),
        fsck: services.fsck.clone(),
    };
    Served::default()
        .content_store(store, bus.clone(), shutdown)
        .snapshotters(services.snapshotters.clone(), &varve_snapshotter::DRIVERS)
        .resolver(services.resolver.clone())
        .fetcher(services.fetcher.clone())
}
