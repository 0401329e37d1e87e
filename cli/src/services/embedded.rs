//! Every service in this process, below one root.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use varve_content_store::{ContentStore, Scrub};
use varve_core::collect::{Attendee, Collected, Collector};
use varve_core::content::Content;
use varve_core::remotes::{Fetcher, Resolver};
use varve_core::{Digest, Result, Scope};
use varve_registry::Client;
use varve_rpc::announce;
use varve_rpc::events::{Announcer, Bus};
use varve_rpc::served::Store;
use varve_snapshotter::Set;

use super::Services;
use crate::config::Config;

/// Below the root.
const SNAPSHOTTERS: &str = "snapshotters";

/// The services, and what has to be closed.
pub struct Embedded {
    /// Whatever changes through them is told on the bus.
    pub services: Services,
    pub bus: Bus,
    store: Arc<ContentStore>,
    snapshotters: Arc<Set>,
}

impl Embedded {
    /// Has the disk bring, while all else is opened, what the snapshotters of `root` are opened from. They are so later.
    pub fn foresee(root: &Path) {
        let dir = root.join(SNAPSHOTTERS);
        tokio::task::spawn_blocking(move || varve_snapshotter::foresee(&dir));
    }

    /// Opens what every command needs; snapshotters are opened when they are asked for.
    pub async fn open(root: &Path, config: &Config, registry: Client) -> Result<Self> {
        let content_dir = root.join("content");
        let store = content_store(&content_dir, config).await?;
        let snapshotters = Arc::new(snapshotters(root, config, &store));
        let collector = WithAll { store: store.clone(), snapshotters: snapshotters.clone() };
        let telling = Store { collector: Arc::new(collector), ..Store::from(store.clone()) };
        let bus = Bus::new();
        let to = Announcer::here(&bus);
        let Store { content, images, leases, namespaces, containers, collector, fsck } =
            announce::store(telling, &to);
        let services = Services {
            resolver: resolver(content.clone(), registry.clone(), config),
            fetcher: fetcher(content.clone(), registry, config),
            content,
            images,
            leases,
            namespaces,
            containers,
            collector,
            fsck,
            snapshotters: announce::snapshotters(snapshotters.clone(), &to),
            content_dir: Some(content_dir),
            bounds: config.images,
            limits: config.snapshotter.limits.clone(),
        };
        Ok(Self { services, bus, store, snapshotters })
    }

    /// Checks the digests of all blobs in the background, until it is dropped.
    pub async fn scrub(&self, config: Scrub) {
        self.store.scrub(config).await;
    }

    /// Has every snapshotter that has something take part in collections, as a daemon does at its
    /// start.
    pub async fn announce_used(&self) {
        self.snapshotters.announce_used().await;
    }

    /// Writes what is pending. The store goes first: it asks the snapshotters once more what they
    /// refer to.
    pub async fn close(&self) -> Result<()> {
        let closed = self.store.close().await;
        closed.and(self.snapshotters.close().await)
    }
}

async fn content_store(dir: &Path, config: &Config) -> Result<Arc<ContentStore>> {
    let config = varve_content_store::Config { dir: dir.into(), ..config.store.clone() };
    varve_content_store::open(config).await
}

pub fn resolver(content: Arc<dyn Content>, registry: Client, config: &Config) -> Arc<dyn Resolver> {
    let dependencies = varve_resolver::Dependencies { content, registry };
    let config = varve_resolver::Config { images: config.images };
    Arc::new(varve_resolver::open(config, dependencies))
}

pub fn fetcher(content: Arc<dyn Content>, registry: Client, config: &Config) -> Arc<dyn Fetcher> {
    let dependencies = varve_fetcher::Dependencies { content, registry };
    Arc::new(varve_fetcher::open(config.fetcher.clone(), dependencies))
}

/// Those of this root.
fn snapshotters(root: &Path, config: &Config, store: &Arc<ContentStore>) -> Set {
    let root = root.join(SNAPSHOTTERS);
    let template = varve_snapshotter::Config { root, ..config.snapshotter.clone() };
    let neighbours =
        varve_snapshotter::Dependencies { content: store.clone(), leases: store.clone() };
    Set::new(template, BTreeMap::new(), neighbours, store.clone())
}

/// The collector, with every snapshotter announced before it collects: what one that is absent refers
/// to is never removed, and here they are opened only when somebody asks for them.
struct WithAll {
    store: Arc<ContentStore>,
    snapshotters: Arc<Set>,
}

#[async_trait]
impl Collector for WithAll {
    async fn references(&self, scope: &Scope, digest: &Digest) -> Result<u64> {
        self.store.references(scope, digest).await
    }

    async fn recount(&self) -> Result<Vec<String>> {
        self.store.recount().await
    }

    async fn collect(&self, dry_run: bool) -> Result<Collected> {
        self.snapshotters.announce_used().await;
        self.store.collect(dry_run).await
    }

    async fn collect_below(&self, scope: &Scope, digests: &[Digest]) -> Result<Collected> {
        self.snapshotters.announce_used().await;
        self.store.collect_below(scope, digests).await
    }

    async fn attend(&self, name: &str, attendee: Arc<dyn Attendee>) -> Result<()> {
        self.store.attend(name, attendee).await
    }
}
