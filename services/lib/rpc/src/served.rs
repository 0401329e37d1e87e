//! What a process serves, put together service by service.

use std::sync::Arc;

use tonic::service::Routes;
use varve_core::collect::Collector;
use varve_core::containers::Containers;
use varve_core::content::Content;
use varve_core::images::Images;
use varve_core::leases::Leases;
use varve_core::namespaces::Namespaces;
use varve_core::remotes::{Fetcher, Resolver};
use varve_core::snapshotters::Snapshotters;

use crate::shutdown::Shutdown;
use crate::{
    collect, containers, content, diff, fetcher, images, leases, namespaces, resolver, snapshots,
    unpack,
};

/// Services, and their names as their packages spell them (`containerd.services.content.v1.Content`),
/// which health and reflection tell.
#[derive(Default)]
pub struct Served {
    pub(crate) routes: Routes,
    pub(crate) names: Vec<&'static str>,
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
}

impl<S> From<Arc<S>> for Store
where
    S: Content + Images + Leases + Namespaces + Containers + Collector + 'static,
{
    fn from(store: Arc<S>) -> Self {
        Self {
            content: store.clone(),
            images: store.clone(),
            leases: store.clone(),
            namespaces: store.clone(),
            containers: store.clone(),
            collector: store,
        }
    }
}

impl Served {
    /// A content store. Snapshotters that attend it are let go when `shutdown` begins.
    pub fn content_store(mut self, store: impl Into<Store>, shutdown: &Shutdown) -> Self {
        let Store { content, images, leases, namespaces, containers, collector } = store.into();
        self.routes = self
            .routes
            .add_service(content::server(content.clone()))
            .add_service(images::server(images.clone(), collector.clone()))
            .add_service(leases::server(leases.clone(), collector.clone()))
            .add_service(namespaces::server(namespaces))
            .add_service(containers::server(containers))
            .add_service(collect::server(content, images, leases, collector, shutdown.clone()));
        self.names.extend([content::NAME, images::NAME, leases::NAME, namespaces::NAME]);
        self.names.extend([containers::NAME, collect::NAME]);
        self
    }

    /// The snapshotters of a root.
    pub fn snapshotters(mut self, snapshotters: Arc<dyn Snapshotters>) -> Self {
        self.routes = self
            .routes
            .add_service(snapshots::server(snapshotters.clone()))
            .add_service(diff::server(snapshotters.clone()))
            .add_service(unpack::server(snapshotters));
        self.names.extend([snapshots::NAME, diff::NAME, unpack::NAME]);
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
}
