//! The contracts of core over real processes: who calls cannot tell where a service runs.
//!
//! A promise has a store of its own, and processes of its own.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use varve_core::Scope;
use varve_core::snapshots::{NewSnapshot, Snapshots};
use varve_core::snapshotters::Snapshotters;
use varve_core::testsuite::contract::{ChangesSubject, Services, SnapshotsSubject};
use varve_core::testsuite::{Door, memory};
use varve_rpc::channel::{Channel, channel, greet};
use varve_rpc::events::Bus;
use varve_rpc::served::Store;
use varve_rpc::{
    Listener, Served, Shutdown, collect, containers, content, images, leases, namespaces, serve,
    snapshots, unpack,
};
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

/// The snapshotter `name` with the content store that its leases are in. That store asks whoever attends,
/// so that the contract of an attendee needs a store of its own ([`attendee`]).
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

/// The snapshotter `name`, attending a content store that is this test: what a collector would ask is
/// asked over the socket.
async fn attendee(name: &str) -> (SnapshotsSubject, (Guard, Stopped)) {
    let guard = start(&["snapshotter"]);
    let (door, mut guests) = Door::new();
    let memory = Arc::new(memory::Store::new());
    let store = Store { collector: Arc::new(door), ..Store::from(memory.clone()) };
    let listener = Listener::bind(&guard.0.socket("content-store").parse().unwrap()).await.unwrap();
    let shutdown = Shutdown::new();
    let served = Served::default().content_store(store, Bus::new(), &shutdown);
    tokio::spawn(serve(listener, served, shutdown.clone()));
    let client = snapshots::Client::new(reach(&guard, "snapshotter").await, name);
    // A snapshotter attends from its first change on.
    let first = NewSnapshot { key: "first".into(), ..NewSnapshot::default() };
    client.prepare(&Scope::default(), first).await.unwrap();
    client.remove(&Scope::default(), "first").await.unwrap();
    let subject = SnapshotsSubject {
        name: name.to_owned(),
        snapshots: Arc::new(client),
        leases: memory,
        attendee: guests.recv().await.unwrap(),
        reach: None,
        views_are_read_only: false,
    };
    (subject, (guard, Stopped(shutdown)))
}

/// Ends the store that this test is.
struct Stopped(Shutdown);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.start();
    }
}

/// What compares the snapshots of `name`, and leaves layers in the content store beside it.
async fn comparing(name: &str) -> (ChangesSubject, Guard) {
    let (snapshots, guard) = snapshotter(name).await;
    let content = content::Client::new(reach(&guard, "content-store").await);
    let opened = unpack::Client::new(reach(&guard, "snapshotter").await).open(name).await.unwrap();
    let snapshots = match rustix::process::geteuid().is_root() {
        true => snapshots.mounted(),
        false => snapshots.in_place(),
    };
    let (changes, diff, content) = (opened.changes, opened.diff, Arc::new(content));
    (ChangesSubject { snapshots, changes, diff, content }, guard)
}

mod native {
    use super::*;

    async fn trees() -> (ChangesSubject, Guard) {
        comparing("native").await
    }

    async fn fresh() -> (SnapshotsSubject, Guard) {
        let (subject, guard) = trees().await;
        (subject.snapshots, guard)
    }

    async fn attending() -> (SnapshotsSubject, (Guard, Stopped)) {
        attendee("native").await
    }

    varve_core::snapshots_contract!(fresh);
    varve_core::trees_contract!(fresh);
    varve_core::changes_contract!(trees);
    varve_core::attendee_contract!(attending);
}

mod overlayfs {
    use super::*;

    async fn trees() -> Option<(ChangesSubject, Guard)> {
        match need_root("the contract of a snapshotter on overlayfs") {
            true => Some(comparing("overlayfs").await),
            false => None,
        }
    }

    async fn fresh() -> Option<(SnapshotsSubject, Guard)> {
        trees().await.map(|(subject, guard)| (subject.snapshots, guard))
    }

    async fn attending() -> Option<(SnapshotsSubject, (Guard, Stopped))> {
        match need_root("the contract of an attendee on overlayfs") {
            true => Some(attendee("overlayfs").await),
            false => None,
        }
    }

    varve_core::snapshots_contract!(fresh);
    varve_core::trees_contract!(fresh);
    varve_core::changes_contract!(trees);
    varve_core::attendee_contract!(attending);
}
