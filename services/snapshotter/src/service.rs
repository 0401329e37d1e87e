//! A snapshotter: a driver, its records, its directories, and what runs beside them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use varve_core::changes::Changes;
use varve_core::collect::Attendee;
use varve_core::diff::Diff;
use varve_core::fsck::{Finding, Trees};
use varve_core::leases::Resource;
use varve_core::snapshots::Snapshots;
use varve_core::unpack::Unpacker;
use varve_core::{Error, Mount, Namespace, Result, Scope};
use varve_meta::Db;

use crate::config::{Config, Dependencies};
use crate::drivers::Driver;
use crate::generation::Generations;
use crate::graph::{DirId, Look};
use crate::mounting::{self, Detached};
use crate::places::{META, Places};
use crate::sync::Syncer;
use crate::unpack::Flights;
use crate::{recover, sync, tree};

/// A snapshotter, trait by trait, whatever its driver. Clones are the same one.
#[derive(Clone)]
pub struct Service {
    /// The driver's name, by which requests and leases pick it.
    pub name: &'static str,
    pub snapshots: Arc<dyn Snapshots>,
    pub unpacker: Arc<dyn Unpacker>,
    pub diff: Arc<dyn Diff>,
    pub changes: Arc<dyn Changes>,
    pub trees: Arc<dyn Trees>,
    pub attendee: Arc<dyn Attendee>,
    life: Arc<dyn Life>,
}

impl Service {
    /// [`Snapshotter::sync`].
    pub async fn sync(&self) -> Result<()> {
        self.life.sync().await
    }

    /// [`Snapshotter::close`].
    pub async fn close(&self) -> Result<()> {
        self.life.close().await
    }
}

impl<D: Driver> From<Snapshotter<D>> for Service {
    fn from(snapshotter: Snapshotter<D>) -> Self {
        let name = snapshotter.0.driver.name();
        let one = Arc::new(snapshotter);
        Self {
            name,
            snapshots: one.clone(),
            unpacker: one.clone(),
            diff: one.clone(),
            changes: one.clone(),
            trees: one.clone(),
            attendee: one.clone(),
            life: one,
        }
    }
}

/// What is left of a snapshotter once its driver is forgotten, beside the traits of core.
#[async_trait]
trait Life: Send + Sync {
    async fn sync(&self) -> Result<()>;
    async fn close(&self) -> Result<()>;
}

/// The contract over any driver. Clones are the same snapshotter.
pub struct Snapshotter<D: Driver>(pub(crate) Arc<Inner<D>>);

pub(crate) struct Inner<D> {
    pub driver: D,
    pub config: Config,
    pub neighbours: Dependencies,
    pub db: Db,
    pub places: Arc<Places>,
    pub boot: String,
    pub generations: Arc<Generations>,
    pub flights: Flights,
    pub extractions: Arc<Semaphore>,
    /// Who lists changes can take their time: they keep nobody from unpacking.
    pub comparisons: Arc<Semaphore>,
    pub syncer: Syncer,
    /// What the open dropped, until somebody asks.
    pub settled: Mutex<Vec<Finding>>,
}

/// What a snapshot stands on, as it was looked up.
#[derive(Default)]
pub(crate) struct Below {
    /// The parent's directory: another that has the parent's name later is not what was read.
    pub top: Option<DirId>,
    /// Its, and those of all below it, top first.
    pub dirs: Vec<PathBuf>,
}

impl<D: Driver> Clone for Snapshotter<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Driver> Snapshotter<D> {
    /// Opens the snapshotter in `config.root`, which it makes where it is not there, and settles
    /// what a crash or a power cut left.
    ///
    /// # Errors
    /// Unavailable while another process has the root; FailedPrecondition or InvalidArgument where
    /// the driver cannot work there.
    pub async fn open(driver: D, config: Config, neighbours: Dependencies) -> Result<Self> {
        blocking(move || Self::open_blocking(driver, config, neighbours)).await
    }

    fn open_blocking(driver: D, mut config: Config, neighbours: Dependencies) -> Result<Self> {
        tree::make_private(&config.root)?;
        config.root = std::path::absolute(&config.root)
            .map_err(|error| Error::io(config.root.display(), error))?;
        let options = varve_meta::Options { name: "snapshots", ..varve_meta::Options::default() };
        let (db, recovery) = Db::open(&config.root.join(META), options)?;
        driver.check(&config.root)?;
        let boot = config.boot_id.clone().map_or_else(varve_core::boot_id, Ok)?;
        let above = db.dirs()?.into_iter().map(|(id, _)| id.0).max().unwrap_or(0);
        let places = Arc::new(Places::open(&config.root, above)?);
        let mut settled = recover::recover(&db, &places, &boot, recovery.must_rebuild())?;
        if recovery.must_rebuild() {
            settled.insert(0, recover::rebuilt());
            db.rebuilt()?;
        }
        let syncer = Syncer::start(db.clone(), Arc::clone(&places), config.sync_after)?;
        if !sync::unsynced(&db)?.is_empty() {
            syncer.changed();
        }
        let [extractions, comparisons] =
            [(); 2].map(|()| Arc::new(Semaphore::new(config.extractions.max(1))));
        Ok(Self(Arc::new(Inner {
            driver,
            neighbours,
            db,
            places,
            boot,
            generations: Arc::default(),
            flights: Flights::default(),
            extractions,
            comparisons,
            syncer,
            settled: Mutex::new(settled),
            config,
        })))
    }

    /// Makes all that is published durable now, and records it.
    pub async fn sync(&self) -> Result<()> {
        self.run(|inner| sync::sync(&inner.db, &inner.places)).await
    }

    /// Ends what runs in the background and lets go of the root. What is called after is
    /// Unavailable. A second call does nothing.
    pub async fn close(&self) -> Result<()> {
        self.run(|inner| {
            inner.syncer.stop();
            inner.places.trash.stop();
            inner.db.close()
        })
        .await
    }

    /// Runs `work` on this snapshotter off the async threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner<D>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        blocking(move || work(&inner)).await
    }

    /// Adds a snapshot that is about to be made, or used again, to the scope's lease.
    pub(crate) async fn lease(&self, scope: &Scope, key: &str) -> Result<()> {
        let Some(lease) = &scope.lease else { return Ok(()) };
        let resource = Resource::snapshot(self.0.driver.name(), key);
        self.0.neighbours.leases.add_resource(scope, lease, &resource).await
    }
}

impl<D: Driver> Inner<D> {
    /// What a snapshot on `parent` stands on.
    pub fn below(&self, namespace: &Namespace, parent: Option<&str>) -> Result<Below> {
        let stack = self.db.stack(namespace, parent)?;
        let top = stack.first().copied();
        let dirs = stack.into_iter().map(|dir| self.places.snapshot(dir)).collect();
        Ok(Below { top, dirs })
    }

    /// Mounts a snapshot for this process alone.
    pub fn detached(&self, mounts: Vec<Mount>) -> Result<Detached> {
        let mut scratch = None;
        mounting::detached(&mounting::plain(mounts), || {
            let staged = scratch.insert(self.places.stage()?);
            Ok(staged.path().to_owned())
        })
    }

    /// Gets rid of a directory that lost its last record.
    pub fn discard(&self, dir: Option<DirId>) {
        if let Some(dir) = dir {
            self.places.discard(dir);
        }
    }
}

#[async_trait]
impl<D: Driver> Life for Snapshotter<D> {
    async fn sync(&self) -> Result<()> {
        Snapshotter::sync(self).await
    }

    async fn close(&self) -> Result<()> {
        Snapshotter::close(self).await
    }
}

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => Err(Error::unavailable("the snapshotter is closing")),
        Err(error) => Err(Error::internal("a snapshotter's thread panicked").with_source(error)),
    }
}
