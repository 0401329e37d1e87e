//! The snapshotters' trait: one for each driver, picked by name.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use crate::changes::Changes;
use crate::diff::Diff;
use crate::error::Result;
use crate::fsck::Trees;
use crate::snapshots::Snapshots;
use crate::unpack::Unpacker;

/// All snapshotters of one root.
#[async_trait]
pub trait Snapshotters: Send + Sync {
    /// The one whose driver is `name`, opened if need be; for an empty name the default one.
    /// InvalidArgument where there is no such driver; FailedPrecondition where it does not work here.
    async fn open(&self, name: &str) -> Result<Snapshotter>;

    /// What there is.
    async fn drivers(&self) -> Result<Drivers>;
}

/// One driver's snapshots, and what works on them. Clones are the same one.
#[derive(Clone)]
pub struct Snapshotter {
    pub name: String,
    /// The driver's directory, as the service sees it.
    pub dir: PathBuf,
    /// Each of its snapshots is a directory with the whole tree, and not a layer of one.
    pub copies: bool,
    pub snapshots: Arc<dyn Snapshots>,
    pub unpacker: Arc<dyn Unpacker>,
    pub diff: Arc<dyn Diff>,
    pub changes: Arc<dyn Changes>,
    pub trees: Arc<dyn Trees>,
}

/// What a root has of snapshotters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Drivers {
    /// The one that suits this machine best.
    pub default: String,
    pub drivers: Vec<Driver>,
}

/// A driver, whether it is open or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Driver {
    pub name: String,
    pub dir: PathBuf,
    /// Each of its snapshots is a directory with the whole tree, and not a layer of one.
    pub copies: bool,
    /// It has something in its directory.
    pub used: bool,
}
