//! The contract of core, on both drivers.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::sync::Arc;

use varve_core::testsuite::contract::{ChangesSubject, SnapshotsSubject};
use varve_core::testsuite::memory::Store;
use varve_snapshotter::{Config, Dependencies, Driver, drivers};

async fn subject<D: Driver>(driver: D) -> (ChangesSubject, tempfile::TempDir) {
    let temp = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::new());
    let neighbours = Dependencies { content: store.clone(), leases: store.clone() };
    let name = driver.name();
    let config = Config::new(temp.path().join("root"));
    let service = Arc::new(varve_snapshotter::open(driver, config, neighbours).await.unwrap());
    let snapshots = SnapshotsSubject::graph_only(name, service.clone(), store.clone());
    let subject =
        ChangesSubject { snapshots, changes: service.clone(), diff: service, content: store };
    (subject, temp)
}

/// Its snapshots alone.
fn snapshots<G>((subject, guard): (ChangesSubject, G)) -> (SnapshotsSubject, G) {
    (subject.snapshots, guard)
}

mod native {
    use super::*;

    async fn trees() -> (ChangesSubject, tempfile::TempDir) {
        let (subject, temp) = subject(drivers::Native).await;
        let snapshots = match rustix::process::geteuid().is_root() {
            true => subject.snapshots.mounted(),
            false => subject.snapshots.in_place(),
        };
        (ChangesSubject { snapshots, ..subject }, temp)
    }

    async fn fresh() -> (SnapshotsSubject, tempfile::TempDir) {
        snapshots(trees().await)
    }

    varve_core::snapshotter_contract!(fresh);
    varve_core::changes_contract!(trees);
}

mod overlayfs {
    use super::*;

    async fn trees() -> Option<(ChangesSubject, tempfile::TempDir)> {
        let temp = tempfile::tempdir().unwrap();
        if !kit::overlay_works(temp.path()) {
            return None;
        }
        let (subject, temp) = subject(drivers::Overlayfs).await;
        let snapshots = subject.snapshots.mounted();
        Some((ChangesSubject { snapshots, ..subject }, temp))
    }

    async fn fresh() -> Option<(SnapshotsSubject, tempfile::TempDir)> {
        trees().await.map(snapshots)
    }

    varve_core::snapshotter_contract!(fresh);
    varve_core::changes_contract!(trees);
}
