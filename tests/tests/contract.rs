//! The contracts of core over real processes: who calls cannot tell where a service runs.
//!
//! A promise has a store of its own, and processes of its own.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use varve_core::testsuite::contract::{Services, SnapshotsSubject};
use varve_core::testsuite::memory;
use varve_rpc::channel::{Channel, channel, greet};
use varve_rpc::{collect, containers, content, images, leases, namespaces, snapshots};
use varve_tests::cluster::Cluster;
use varve_tests::command::binary;
use varve_tests::peers::need_root;

/// How long a process may take until it answers.
const START: Duration = Duration::from_secs(60);

/// Processes and the root that they work in, which goes after them.
type Guard = (Cluster, TempDir);

fn start(services: &[&'static str]) -> Guard {
    let root = tempfile::Builder::new().prefix("varve-").tempdir().unwrap();
    (Cluster::services(services, &binary().unwrap(), root.path()).unwrap(), root)
}

async fn reach((cluster, _): &Guard, service: &str) -> Channel {
    let channel = channel(&cluster.socket(service).parse().unwrap());
    let answers = async {
        while greet(&channel).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let answered = tokio::time::timeout(START, answers).await;
    assert!(answered.is_ok(), "{service} does not answer:\n{}", cluster.logs());
    channel
}

async fn store() -> (Services, Guard) {
    let guard = start(&["content-store"]);
    let channel = reach(&guard, "content-store").await;
    let services = Services {
        content: Arc::new(content::Client::new(channel.clone())),
        images: Arc::new(images::Client::new(channel.clone())),
        leases: Arc::new(leases::Client::new(channel.clone())),
        namespaces: Arc::new(namespaces::Client::new(channel.clone())),
        containers: Arc::new(containers::Client::new(channel.clone())),
        collector: Arc::new(collect::Client::new(channel)),
    };
    (services, guard)
}

varve_core::content_store_contract!(store);

/// The snapshotter `name` with the content store that its leases are in. What attends a collection is a
/// process here and no object: who attends is asked by the store, in its own contract.
async fn snapshotter(name: &str) -> (SnapshotsSubject, Guard) {
    let guard = start(&["content-store", "snapshotter"]);
    let leases = leases::Client::new(reach(&guard, "content-store").await);
    let subject = SnapshotsSubject {
        name: name.to_owned(),
        snapshots: Arc::new(snapshots::Client::new(reach(&guard, "snapshotter").await, name)),
        leases: Arc::new(leases),
        attendee: Arc::new(memory::Snapshots::new(name, Arc::new(memory::Store::new()))),
        reach: None,
        views_are_read_only: false,
    };
    (subject, guard)
}

mod native {
    use super::*;

    async fn fresh() -> (SnapshotsSubject, Guard) {
        let (subject, guard) = snapshotter("native").await;
        match rustix::process::geteuid().is_root() {
            true => (subject.mounted(), guard),
            false => (subject.in_place(), guard),
        }
    }

    varve_core::snapshots_contract!(fresh);
    varve_core::trees_contract!(fresh);
}

mod overlayfs {
    use super::*;

    async fn fresh() -> Option<(SnapshotsSubject, Guard)> {
        if !need_root("the contract of a snapshotter on overlayfs") {
            return None;
        }
        let (subject, guard) = snapshotter("overlayfs").await;
        Some((subject.mounted(), guard))
    }

    varve_core::snapshots_contract!(fresh);
    varve_core::trees_contract!(fresh);
}
