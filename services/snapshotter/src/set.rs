//! All snapshotters of one root: each driver in its own directory, opened when it is first asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{Mutex, OnceCell};
use varve_core::collect::Collector;
use varve_core::snapshotters::{Driver, Drivers, Snapshotter, Snapshotters};
use varve_core::{Error, Result};

use crate::announced::Announced;
use crate::config::{Config, Dependencies};

/// The drivers of one root. Each takes part in collections from its first change on.
pub struct Set {
    /// Each driver has a directory of its name below it.
    dir: PathBuf,
    /// What each is opened with, but for its directory.
    template: Config,
    /// Other names that requests may use, as a client's configuration has them.
    aliases: BTreeMap<String, String>,
    neighbours: Dependencies,
    collector: Arc<dyn Collector>,
    open: Mutex<BTreeMap<String, Announced>>,
    default: OnceCell<&'static str>,
}

impl Set {
    /// Opens nothing yet: the drivers live below `template.root`.
    pub fn new(
        template: Config,
        aliases: BTreeMap<String, String>,
        neighbours: Dependencies,
        collector: Arc<dyn Collector>,
    ) -> Self {
        let dir = template.root.clone();
        let open = Mutex::default();
        let default = OnceCell::new();
        Self { dir, template, aliases, neighbours, collector, open, default }
    }

    /// Has every driver that has something here take part in collections: what one that is away
    /// refers to cannot be collected. One that does not work here (as overlayfs without root) is told
    /// of and left out.
    pub async fn announce_used(&self) {
        for name in crate::DRIVERS.into_iter().filter(|name| self.is_used(name)) {
            let announced = async { self.service(name).await?.announce().await };
            if let Err(error) = announced.await {
                tracing::warn!("snapshotter {name} is left out: {}", error.chain());
            }
        }
    }

    /// Writes what is pending, and lets go of the directories.
    pub async fn close(&self) -> Result<()> {
        let mut closed = Ok(());
        for service in self.open.lock().await.values() {
            closed = closed.and(service.close().await);
        }
        closed
    }

    async fn service(&self, name: &str) -> Result<Announced> {
        let mut open = self.open.lock().await;
        if let Some(service) = open.get(name) {
            return Ok(service.clone());
        }
        let service = self.open_driver(name).await?;
        open.insert(name.to_owned(), service.clone());
        Ok(service)
    }

    async fn open_driver(&self, name: &str) -> Result<Announced> {
        if !crate::DRIVERS.contains(&name) {
            return Err(crate::unknown(name));
        }
        let dir = self.dir.join(name);
        let known = dir.exists();
        let config = Config { root: dir.clone(), ..self.template.clone() };
        let opened = crate::open_by_name(name, config, self.neighbours.clone()).await;
        if opened.is_err() && !known {
            // What does not work here leaves nothing that later requests would stumble over.
            let _ = std::fs::remove_dir_all(dir);
        }
        Ok(Announced::new(opened?, self.collector.clone()))
    }

    /// Tries whether overlayfs works here, once.
    async fn default_driver(&self) -> Result<&'static str> {
        let probe = || async {
            let dir = self.dir.clone();
            let probe = tokio::task::spawn_blocking(move || crate::default_driver(&dir));
            probe.await.map_err(|error| Error::internal("trying overlayfs").with_source(error))
        };
        self.default.get_or_try_init(probe).await.copied()
    }

    fn is_used(&self, name: &str) -> bool {
        Path::is_dir(&self.dir.join(name))
    }
}

#[async_trait]
impl Snapshotters for Set {
    async fn open(&self, name: &str) -> Result<Snapshotter> {
        let name = match self.aliases.get(name) {
            Some(alias) => alias.as_str(),
            None if name.is_empty() => self.default_driver().await?,
            None => name,
        };
        let service = Arc::new(self.service(name).await?);
        Ok(Snapshotter {
            name: name.to_owned(),
            dir: self.dir.join(name),
            copies: copies(name),
            snapshots: service.clone(),
            unpacker: service.clone(),
            diff: service.clone(),
            changes: service.clone(),
            trees: service,
        })
    }

    async fn drivers(&self) -> Result<Drivers> {
        let default = self.default_driver().await?.to_owned();
        let driver = |name: &str| Driver {
            name: name.to_owned(),
            dir: self.dir.join(name),
            copies: copies(name),
            used: self.is_used(name),
        };
        Ok(Drivers { default, drivers: crate::DRIVERS.into_iter().map(driver).collect() })
    }
}

/// Whether the driver cannot stack layers when they are mounted.
fn copies(name: &str) -> bool {
    name == "native"
}
