//! The contract of core, on both drivers.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::sync::Arc;

use varve_core::testsuite::contract::SnapshotsSubject;
use varve_core::testsuite::memory::Store;
use varve_snapshotter::{Config, Dependencies, Driver, drivers};

async fn subject<D: Driver>(driver: D) -> (SnapshotsSubject, tempfile::TempDir) {
    let temp = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::new());
    let neighbours = Dependencies { content: store.clone(), leases: store.clone() };
    let name = driver.name();
    let config = Config::new(temp.path().join("root"));
    let snapshots = varve_snapshotter::open(driver, config, neighbours).await.unwrap();
    (SnapshotsSubject::graph_only(name, Arc::new(snapshots), store), temp)
}

mod native {
    use super::*;

    async fn fresh() -> (SnapshotsSubject, tempfile::TempDir) {
        let (subject, temp) = subject(drivers::Native).await;
        match rustix::process::geteuid().is_root() {
            true => (subject.mounted(), temp),
            false => (subject.in_place(), temp),
        }
    }

    varve_core::snapshotter_contract!(fresh);
}

mod overlayfs {
    use super::*;

    async fn fresh() -> Option<(SnapshotsSubject, tempfile::TempDir)> {
        let temp = tempfile::tempdir().unwrap();
        if !kit::overlay_works(temp.path()) {
            return None;
        }
        let (subject, temp) = subject(drivers::Overlayfs).await;
        Some((subject.mounted(), temp))
    }

    varve_core::snapshotter_contract!(fresh);
}
