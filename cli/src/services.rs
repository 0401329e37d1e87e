//! The composition root: where each service runs is decided here and nowhere else.
//!
//! Today each is the implementation itself, in this process; a client of a service elsewhere is the
//! same trait object. Callers see traits alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;
use varve_content_store::ContentStore;
use varve_core::collect::Collector;
use varve_core::content::Content;
use varve_core::images::Images;
use varve_core::labels::GC_REF_SNAPSHOT;
use varve_core::leases::Leases;
use varve_core::namespaces::Namespaces;
use varve_core::remotes::{Fetcher, Resolver};
use varve_core::snapshots::Snapshots;
use varve_core::unpack::Unpacker;
use varve_core::{Error, Labels, Result};
use varve_registry::Client;
use varve_snapshotter::Service;

/// All services of one root.
pub struct Services {
    pub content: Arc<dyn Content>,
    pub images: Arc<dyn Images>,
    pub leases: Arc<dyn Leases>,
    pub namespaces: Arc<dyn Namespaces>,
    pub collector: Arc<dyn Collector>,
    pub resolver: Arc<dyn Resolver>,
    pub fetcher: Arc<dyn Fetcher>,
    store: Arc<ContentStore>,
    content_dir: PathBuf,
    /// Where each driver has its directory.
    drivers: PathBuf,
    /// Those that were asked for so far, by name.
    open: Mutex<BTreeMap<String, Service>>,
}

/// One driver's snapshots, and what unpacks into them.
#[derive(Clone)]
pub struct Snapshotter {
    pub name: String,
    pub snapshots: Arc<dyn Snapshots>,
    pub unpacker: Arc<dyn Unpacker>,
    /// The driver's directory.
    pub dir: PathBuf,
}

impl Snapshotter {
    /// Whether each of its snapshots is a directory with a whole tree, and not a layer of one.
    pub fn copies(&self) -> bool {
        self.name == "native"
    }
}

impl Services {
    /// Opens what every command needs; snapshotters are opened when they are asked for.
    pub async fn open(root: &Path) -> Result<Self> {
        let content_dir = root.join("content");
        let store = content_store(&content_dir).await?;
        let registry = Client::new(varve_registry::Config::default());
        Ok(Self {
            content: store.clone(),
            images: store.clone(),
            leases: store.clone(),
            namespaces: store.clone(),
            collector: store.clone(),
            resolver: resolver(store.clone(), registry.clone()),
            fetcher: fetcher(store.clone(), registry),
            store,
            content_dir,
            drivers: root.join("snapshotters"),
            open: Mutex::default(),
        })
    }

    /// The snapshotter `name`, or the one that suits this machine best.
    pub async fn snapshotter(&self, name: Option<&str>) -> Result<Snapshotter> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.default_driver().await?.to_owned(),
        };
        let dir = self.drivers.join(&name);
        let mut open = self.open.lock().await;
        if !open.contains_key(&name) {
            let service = snapshotter(&name, &dir, &self.store).await?;
            open.insert(name.clone(), service);
        }
        let Service { snapshots, unpacker, .. } = open[&name].clone();
        Ok(Snapshotter { name, snapshots, unpacker, dir })
    }

    /// Tries whether overlayfs works in this root.
    async fn default_driver(&self) -> Result<&'static str> {
        let dir = self.drivers.clone();
        let probe = tokio::task::spawn_blocking(move || varve_snapshotter::default_driver(&dir));
        probe.await.map_err(|error| Error::internal("trying overlayfs").with_source(error))
    }

    /// Where blobs are kept, for the question whether there is room.
    pub fn content_dir(&self) -> &Path {
        &self.content_dir
    }

    /// Every snapshotter that has something in this root and works here.
    pub async fn snapshotters(&self) -> Vec<Snapshotter> {
        self.those(|_| true).await
    }

    /// The snapshotters that `labels` of a config say it is unpacked in.
    pub async fn named_by(&self, labels: &Labels) -> Vec<Snapshotter> {
        self.those(|name| labels.contains_key(&format!("{GC_REF_SNAPSHOT}{name}"))).await
    }

    /// One that does not work here (as overlayfs without root) is told of and left out.
    async fn those(&self, wanted: impl Fn(&str) -> bool) -> Vec<Snapshotter> {
        let here = |name: &&str| wanted(name) && self.drivers.join(name).is_dir();
        let mut all = Vec::new();
        for name in varve_snapshotter::DRIVERS.into_iter().filter(here) {
            match self.snapshotter(Some(name)).await {
                Ok(snapshotter) => all.push(snapshotter),
                Err(error) => tracing::warn!("snapshotter {name} is left out: {}", error.chain()),
            }
        }
        all
    }

    /// Writes what is pending. The store goes first: it asks the snapshotters once more what they
    /// refer to.
    pub async fn close(&self) -> Result<()> {
        let mut closed = self.store.close().await;
        for service in self.open.lock().await.values() {
            closed = closed.and(service.close().await);
        }
        closed
    }
}

async fn content_store(dir: &Path) -> Result<Arc<ContentStore>> {
    varve_content_store::open(varve_content_store::Config::new(dir)).await
}

fn resolver(content: Arc<dyn Content>, registry: Client) -> Arc<dyn Resolver> {
    let dependencies = varve_resolver::Dependencies { content, registry };
    Arc::new(varve_resolver::open(varve_resolver::Config::default(), dependencies))
}

fn fetcher(content: Arc<dyn Content>, registry: Client) -> Arc<dyn Fetcher> {
    let dependencies = varve_fetcher::Dependencies { content, registry };
    Arc::new(varve_fetcher::open(varve_fetcher::Config::default(), dependencies))
}

/// Opens a driver in its directory and has it take part in collections.
async fn snapshotter(name: &str, dir: &Path, store: &Arc<ContentStore>) -> Result<Service> {
    let config = varve_snapshotter::Config::new(dir);
    let dependencies =
        varve_snapshotter::Dependencies { content: store.clone(), leases: store.clone() };
    let known = dir.exists();
    let opened = varve_snapshotter::open_by_name(name, config, dependencies).await;
    if opened.is_err() && !known {
        // What does not work here leaves nothing that later commands would stumble over.
        let _ = std::fs::remove_dir_all(dir);
    }
    let service = opened?;
    store.attend(name, service.attendee.clone()).await?;
    Ok(service)
}
