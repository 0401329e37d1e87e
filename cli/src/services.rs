//! The composition root: where each service runs is decided here and nowhere else.
//!
//! [`embedded`] makes the implementations themselves, in this process; [`remote`] makes clients of
//! services elsewhere. Both are the same trait objects: callers cannot tell. [`routes`] serves an
//! embedded set to others.

pub mod embedded;
pub mod remote;
pub mod routes;

use std::path::PathBuf;
use std::sync::Arc;

use varve_core::Labels;
use varve_core::Result;
use varve_core::collect::Collector;
use varve_core::containers::Containers;
use varve_core::content::Content;
use varve_core::fsck::Fsck;
use varve_core::images::Images;
use varve_core::labels::GC_REF_SNAPSHOT;
use varve_core::leases::Leases;
use varve_core::namespaces::Namespaces;
use varve_core::oci::Bounds;
use varve_core::remotes::{Fetcher, Resolver};
use varve_core::snapshotters::Snapshotters;
use varve_snapshotter::apply::Limits;

use crate::config::Config;

pub use varve_core::snapshotters::Snapshotter;

/// All that a command works with.
#[derive(Clone)]
pub struct Services {
    pub content: Arc<dyn Content>,
    pub images: Arc<dyn Images>,
    pub leases: Arc<dyn Leases>,
    pub namespaces: Arc<dyn Namespaces>,
    pub containers: Arc<dyn Containers>,
    pub collector: Arc<dyn Collector>,
    pub fsck: Arc<dyn Fsck>,
    pub resolver: Arc<dyn Resolver>,
    pub fetcher: Arc<dyn Fetcher>,
    pub snapshotters: Arc<dyn Snapshotters>,
    /// Where blobs are kept, if that is known: for the question whether there is room.
    pub content_dir: Option<PathBuf>,
    /// What this process reads of images.
    pub bounds: Bounds,
    /// What it reads of archives.
    pub limits: Limits,
}

impl Services {
    /// The same, for a process that reads within what `config` says.
    pub fn within(self, config: &Config) -> Self {
        Self { bounds: config.images, limits: config.snapshotter.limits.clone(), ..self }
    }

    /// The snapshotter `name`, or the one that suits the machine best.
    pub async fn snapshotter(&self, name: Option<&str>) -> Result<Snapshotter> {
        self.snapshotters.open(name.unwrap_or_default()).await
    }

    /// Every snapshotter that has something and works there.
    pub async fn used_snapshotters(&self) -> Result<Vec<Snapshotter>> {
        self.those(|_| true).await
    }

    /// The snapshotters that `labels` of a config say it is unpacked in.
    pub async fn named_by(&self, labels: &Labels) -> Result<Vec<Snapshotter>> {
        self.those(|name| labels.contains_key(&format!("{GC_REF_SNAPSHOT}{name}"))).await
    }

    /// One that does not work (as overlayfs without root) is told of and left out.
    async fn those(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Snapshotter>> {
        let mut all = Vec::new();
        for driver in self.snapshotters.drivers().await?.drivers {
            if !driver.used || !wanted(&driver.name) {
                continue;
            }
            match self.snapshotters.open(&driver.name).await {
                Ok(snapshotter) => all.push(snapshotter),
                Err(error) => {
                    tracing::warn!("snapshotter {} is left out: {}", driver.name, error.chain());
                }
            }
        }
        Ok(all)
    }
}
