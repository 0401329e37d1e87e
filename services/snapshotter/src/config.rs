//! What a snapshotter can be told, and the neighbours that it needs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use varve_core::content::Content;
use varve_core::leases::Leases;

use crate::apply::Limits;

/// How a snapshotter is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// The driver's own directory; everything below it is this snapshotter's.
    pub root: PathBuf,
    /// Layers that are extracted at the same time, two threads each. One that is compressed with zstd
    /// holds a window of up to 64 MiB, so the default follows the cores only as far as four.
    pub extractions: usize,
    /// What one layer may cost.
    pub limits: Limits,
    /// How long a layer waits for a parent that nobody is unpacking.
    pub parent_patience: Duration,
    /// How long after the last change new trees are synced to the disk in the background. A short
    /// command that ends before leaves it to a later one.
    pub sync_after: Duration,
    /// The boot that this is; read from the kernel where `None`.
    pub boot_id: Option<String>,
}

impl Config {
    /// The defaults for a driver's directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            root: root.into(),
            extractions: cores.clamp(2, 4),
            limits: Limits::default(),
            parent_patience: Duration::from_secs(60),
            sync_after: Duration::from_secs(20),
            boot_id: None,
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
