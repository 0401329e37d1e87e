//! What a snapshotter can be told, and the neighbours that it needs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use varve_core::Result;
use varve_core::config::{DAY, lasts, seconds, within};
use varve_core::content::Content;
use varve_core::leases::Leases;

use crate::apply::Limits;

/// How a snapshotter is opened: `[snapshotter]` of a configuration, where durations are seconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Config {
    /// The driver's own directory; everything below it is this snapshotter's.
    #[serde(skip)]
    pub root: PathBuf,
    /// Layers that are extracted at the same time, two threads each. One that is compressed with zstd
    /// holds a window of up to 64 MiB, so the default follows the cores only as far as four.
    pub extractions: usize,
    /// How long a layer waits for a parent that nobody is unpacking.
    #[serde(deserialize_with = "seconds")]
    pub parent_patience: Duration,
    /// How long after the last change new trees are synced to the disk in the background. A short
    /// command that ends before leaves it to a later one.
    #[serde(deserialize_with = "seconds")]
    pub sync_after: Duration,
    /// The boot that this is; read from the kernel where `None`.
    #[serde(skip)]
    pub boot_id: Option<String>,
    /// What one layer may cost: `[snapshotter.limits]`.
    pub limits: Limits,
}

varve_core::checked_when_read!(Config);

impl Config {
    /// The defaults for a driver's directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), ..Self::default() }
    }

    /// Refuses values that bound nothing, or all.
    ///
    /// # Errors
    /// InvalidArgument naming the key.
    pub fn check(&self) -> Result<()> {
        within("extractions", self.extractions, 1, 256)?;
        lasts("parent_patience", self.parent_patience, 0.1, DAY)?;
        lasts("sync_after", self.sync_after, 0.0, DAY)
    }
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            root: PathBuf::new(),
            extractions: cores.clamp(2, 4),
            parent_patience: Duration::from_secs(60),
            sync_after: Duration::from_secs(20),
            boot_id: None,
            limits: Limits::default(),
        }
    }
}

/// Who a snapshotter works with.
#[derive(Clone)]
pub struct Dependencies {
    /// Layers are read from here.
    pub content: Arc<dyn Content>,
    /// Snapshots made under a lease are added here first.
    pub leases: Arc<dyn Leases>,
}
