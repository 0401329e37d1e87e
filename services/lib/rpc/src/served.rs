//! What a process serves, put together service by service.

use std::sync::Arc;

use tonic::service::Routes;
use varve_core::collect::Collector;
use varve_core::containers::Containers;
use varve_core::content::Content;
use varve_core::fsck::Fsck;
use varve_core::images::Images;
use varve_core::leases::Leases;
use varve_core::namespaces::Namespaces;
use varve_core::remotes::{Fetcher, Resolver};
use varve_core::snapshotters::Snapshotters;

use crate::events::Bus;
use crate::introspection::Plugin;
use crate::shutdown::Shutdown;
use crate::{
    collect, containers, content, diff, events, fetcher, images, introspection, leases, namespaces,
    resolver, snapshots, unpack, version,
};

/// A content store's services, in containerd's short words.
const STORE: [&str; 6] = ["content", "images", "leases", "namespaces", "containers", "events"];

/// Services, and their names as their packages spell them (`containerd.services.content.v1.Content`),
/// which health and reflection tell.
#[derive(Default)]
pub struct Served {
    pub(crate) routes: Routes,
    /// Among `routes`.
    pub(crate) content: Option<Arc<dyn Content>>,
    pub(crate) names: Vec<&'static str>,
    /// The same in containerd's words, for introspection.
    plugins: Vec<Plugin>,
}

/// All traits of one content store.
#[derive(Clone)]
pub struct Store {
    pub content: Arc<dyn Content>,
    pub images: Arc<dyn Images>,
    pub leases: Arc<dyn Leases>,
    pub namespaces: Arc<dyn Namespaces>,
    pub containers: Arc<dyn Containers>,
    pub collector: Arc<dyn Collector>,
    pub fsck: Arc<dyn Fsck>,
}

impl<S> From<Arc<S>> for Store
where
    S: Content + Images + Leases + Namespaces + Containers + Collector + Fsck + 'static,
{
    fn from(store: Arc<S>) -> Self {
        Self {
            content: store.clone(),
            images: store.clone(),
            leases: store.clone(),
            namespaces: store.clone(),
            containers: store.clone(),
            collector: store.clone(),
            fsck: store,
        }
    }
}

impl Served {
    /// A content store, and the bus that events are told on. Who attends or listens is let go when
    /// `shutdown` begins.
    pub fn content_store(mut self, store: impl Into<Store>, bus: Bus, shutdown: &Shutdown) -> Self {
        let Store { content, images, leases, namespaces, containers, collector, fsck } =
            store.into();
        self.content = Some(content.clone());
        self.routes = self
            .routes
            .add_service(content::server(content.clone()))
            .add_service(images::server(images.clone(), collector.clone(), shutdown.clone()))
            .add_service(leases::server(leases.clone(), collector.clone()))
            .add_service(namespaces::server(namespaces))
            .add_service(containers::server(containers))
            .add_service(collect::server(
                content,
                images,
                leases,
                collector,
                fsck,
                shutdown.clone(),
            ))
            .add_service(events::server(bus, shutdown.clone()));
        self.names.extend([content::NAME, images::NAME, leases::NAME, namespaces::NAME]);
        self.names.extend([containers::NAME, collect::NAME, events::NAME]);
        self.plugins.push(Plugin::content());
        self.plugins.extend(STORE.map(Plugin::service));
        self
    }

    /// The snapshotters of a root, and the names of their drivers.
    pub fn snapshotters(
        mut self,
        snapshotters: Arc<dyn Snapshotters>,
        drivers: &[&'static str],
    ) -> Self {
        self.routes = self
            .routes
            .add_service(snapshots::server(snapshotters.clone()))
            .add_service(diff::server(snapshotters.clone()))
            .add_service(unpack::server(snapshotters));
        self.names.extend([snapshots::NAME, diff::NAME, unpack::NAME]);
        self.plugins.extend(drivers.iter().map(|name| Plugin::snapshotter(name)));
        self.plugins.extend(["snapshots", "diff"].map(Plugin::service));
        self
    }

    /// Content alone, for whoever keeps all other records itself.
    pub(crate) fn content(mut self, content: Arc<dyn Content>) -> Self {
        self.content = Some(content.clone());
        self.routes = self.routes.add_service(content::server(content));
        self.names.push(content::NAME);
        self.plugins.extend([Plugin::content(), Plugin::service("content")]);
        self
    }

    /// Snapshots alone, for whoever fills them itself.
    pub(crate) fn snapshots(mut self, snapshotters: Arc<dyn Snapshotters>) -> Self {
        self.routes = self.routes.add_service(snapshots::server(snapshotters));
        self.names.push(snapshots::NAME);
        self.plugins.push(Plugin::service("snapshots"));
        self
    }

    /// A resolver.
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.routes = self.routes.add_service(resolver::server(resolver));
        self.names.push(resolver::NAME);
        self
    }

    /// A fetcher.
    pub fn fetcher(mut self, fetcher: Arc<dyn Fetcher>) -> Self {
        self.routes = self.routes.add_service(fetcher::server(fetcher));
        self.names.push(fetcher::NAME);
        self
    }

    /// With what every process has: its version, and what it serves.
    pub(crate) fn whole(mut self) -> Self {
        let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        let plugins = std::mem::take(&mut self.plugins);
        self.routes = self
            .routes
            .add_service(version::server(env!("CARGO_PKG_VERSION"), ""))
            .add_service(introspection::server(plugins, uuid.trim()));
        self.names.extend([version::NAME, introspection::NAME]);
        self
    }
}
