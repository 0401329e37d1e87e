//! The snapshotter: verified layers become directory trees, stacked copy-on-write.
//!
//! [`Snapshotter`] is the contract of [`varve_core::snapshots`], of unpacking, of applying and of
//! taking part in collections, written once over a [`Driver`]; what differs between file systems is
//! in [`drivers`]. It owns the directory that it is opened on (README.md tells the layout and what
//! a crash can leave). It answers mounts and never mounts for others; [`mounting`] is there for
//! those who do.

mod announced;
pub mod apply;
mod attend;
mod config;
mod contract;
mod diff;
mod differ;
pub mod drivers;
mod fsck;
mod generation;
mod graph;
pub mod mounting;
mod places;
mod recover;
mod service;
mod set;
mod sync;
#[cfg(feature = "testsuite")]
pub mod testsuite;
mod trash;
mod tree;
mod unpack;

use std::path::Path;

use varve_core::{Error, Result};

pub use config::{Config, Dependencies};
pub use drivers::Driver;
pub use service::{Service, Snapshotter};
pub use set::Set;

/// The names of the drivers.
pub const DRIVERS: [&str; 2] = ["overlayfs", "native"];

/// Opens the snapshotter whose driver is called `name`: see [`Snapshotter::open`].
/// InvalidArgument for a name that is none of [`DRIVERS`].
pub async fn open_by_name(name: &str, config: Config, neighbours: Dependencies) -> Result<Service> {
    match name {
        "overlayfs" => Ok(open(drivers::Overlayfs, config, neighbours).await?.into()),
        "native" => Ok(open(drivers::Native, config, neighbours).await?.into()),
        other => Err(unknown(other)),
    }
}

fn unknown(name: &str) -> Error {
    Error::invalid(format!("there is no snapshotter {name:?}; there are {}", DRIVERS.join(", ")))
}

/// Opens a snapshotter with a driver of the caller's: see [`Snapshotter::open`].
pub async fn open<D: Driver>(
    driver: D,
    config: Config,
    neighbours: Dependencies,
) -> Result<Snapshotter<D>> {
    Snapshotter::open(driver, config, neighbours).await
}

/// Has the kernel bring what opening the snapshotters below `root` reads, while something else is done. Blocks for the
/// disk; changes nothing, and tells of nothing that fails.
pub fn foresee(root: &Path) {
    for name in DRIVERS {
        let dir = root.join(name);
        if dir.is_dir() {
            varve_meta::foresee(&dir.join(places::META));
            places::foresee(&dir);
        }
    }
}

/// The driver to use below `root` where nobody chose one: overlayfs where this process can mount it
/// there (found out by doing so), else native. Blocks.
pub fn default_driver(root: &Path) -> &'static str {
    match drivers::Overlayfs.check(root) {
        Ok(()) => "overlayfs",
        Err(error) => {
            tracing::debug!(error = %error.chain(), "overlayfs does not work here");
            "native"
        }
    }
}
