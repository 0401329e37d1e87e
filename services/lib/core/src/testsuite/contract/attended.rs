//! Collection with a snapshotter that attends it: snapshots refer and are referred to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::Services;
use super::collect::{collect, edges, image, lives, refers};
use super::kit::{labels, room, some};
use crate::collect::{Attendee, Frozen, Node};
use crate::containers::Container;
use crate::error::{Error, Result};
use crate::labels::{GC_EXPIRE, GC_ROOT, Labels};
use crate::leases::Resource;
use crate::scope::{Namespace, Scope};
use crate::time;

/// The promises of [`crate::collect::Collector`] about snapshots.
#[macro_export]
macro_rules! attended_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            attended_contract,
            attended,
            $fresh,
            [
                a_dry_run_tells_and_removes_nothing,
                a_container_keeps_its_snapshot_and_its_parents,
                a_snapshot_keeps_what_its_labels_refer_to,
                a_blob_keeps_the_snapshots_its_labels_name,
                a_lease_keeps_a_snapshot,
                a_root_label_keeps_a_snapshot,
                a_snapshotter_that_is_absent_loses_nothing,
            ]
        );
    };
}

/// Of the snapshotter that attends in these promises.
const DRIVER: &str = "attending";

/// A snapshotter that has these nodes, and remembers what it was told to remove.
#[derive(Default)]
struct Guest {
    nodes: Mutex<Vec<Node>>,
    absent: Mutex<bool>,
    generation: Mutex<u64>,
}

#[async_trait]
impl Attendee for Guest {
    async fn freeze(&self) -> Result<Frozen> {
        if *self.absent.lock().unwrap() {
            return Err(Error::unavailable("the snapshotter is away"));
        }
        let mut generation = self.generation.lock().unwrap();
        *generation += 1;
        Ok(Frozen { generation: *generation, nodes: self.nodes.lock().unwrap().clone() })
    }

    async fn remove(&self, generation: u64, doomed: Vec<(Namespace, String)>) -> Result<u64> {
        assert_eq!(generation, *self.generation.lock().unwrap());
        let mut nodes = self.nodes.lock().unwrap();
        let before = nodes.len();
        nodes.retain(|node| !doomed.contains(&(node.namespace.clone(), node.key.clone())));
        Ok((before - nodes.len()) as u64)
    }
}

impl Guest {
    fn add(&self, scope: &Scope, key: &str, parent: Option<&str>, labels: Labels) {
        let (namespace, parent) = (scope.namespace.clone(), parent.map(str::to_owned));
        let node = Node { namespace, key: key.to_owned(), parent, labels, size: 1 };
        self.nodes.lock().unwrap().push(node);
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> =
            self.nodes.lock().unwrap().iter().map(|node| node.key.clone()).collect();
        keys.sort();
        keys
    }
}

async fn attended(s: &Services) -> Arc<Guest> {
    let guest = Arc::new(Guest::default());
    s.collector.attend(DRIVER, guest.clone()).await.unwrap();
    guest
}

pub async fn a_dry_run_tells_and_removes_nothing(s: &Services) {
    let (scope, guest) = (room(), attended(s).await);
    let digest = some(&*s.content, &scope, labels(&[])).await;
    guest.add(&scope, "dead", None, labels(&[]));
    let past = (time::now() - Duration::from_secs(9)).to_string();
    s.leases.create(&scope, "over", &labels(&[(GC_EXPIRE, &past)])).await.unwrap();
    let told = s.collector.collect(true).await.unwrap();
    assert_eq!(told.blobs, [(scope.namespace.clone(), digest)]);
    assert_eq!(told.leases, [(scope.namespace.clone(), "over".to_owned())]);
    assert_eq!(told.snapshots.len(), 1);
    lives(s, &scope, &[digest], &[]).await;
    assert_eq!(s.leases.list(&scope, &[]).await.unwrap().len(), 1);
    assert_eq!(guest.keys(), ["dead"]);
    let done = collect(s).await;
    assert_eq!((done.blobs, done.leases), (told.blobs, told.leases));
    assert_eq!(done.snapshots, told.snapshots);
    assert!(guest.keys().is_empty());
}

pub async fn a_container_keeps_its_snapshot_and_its_parents(s: &Services) {
    let (here, there, guest) = (room(), room(), attended(s).await);
    guest.add(&here, "low", None, labels(&[]));
    guest.add(&here, "mid", Some("low"), labels(&[]));
    guest.add(&here, "top", Some("mid"), labels(&[]));
    guest.add(&here, "side", Some("low"), labels(&[]));
    // Of the same key, but of another namespace.
    guest.add(&there, "mid", None, labels(&[]));
    let (snapshotter, snapshot_key) = (DRIVER.to_owned(), "mid".to_owned());
    let container = Container { snapshotter, snapshot_key, ..super::containers::plain("c") };
    s.containers.create(&here, &container).await.unwrap();
    let mut dead = collect(s).await.snapshots;
    dead.sort();
    let gone =
        |scope: &Scope, key: &str| (DRIVER.to_owned(), scope.namespace.clone(), key.to_owned());
    let mut wanted = vec![gone(&here, "side"), gone(&here, "top"), gone(&there, "mid")];
    wanted.sort();
    assert_eq!(dead, wanted);
    assert_eq!(guest.keys(), ["low", "mid"]);
}

pub async fn a_snapshot_keeps_what_its_labels_refer_to(s: &Services) {
    let (scope, guest) = (room(), attended(s).await);
    let leaf = some(&*s.content, &scope, labels(&[])).await;
    let kept = refers(s, &scope, &[leaf]).await;
    let lost = some(&*s.content, &scope, labels(&[])).await;
    let mut pinned = edges(&[kept]);
    pinned.insert(GC_ROOT.into(), "x".into());
    guest.add(&scope, "pinned", None, pinned);
    guest.add(&scope, "dead", None, edges(&[lost]));
    collect(s).await;
    lives(s, &scope, &[kept, leaf], &[lost]).await;
    assert_eq!(guest.keys(), ["pinned"]);
}

pub async fn a_blob_keeps_the_snapshots_its_labels_name(s: &Services) {
    let (scope, guest) = (room(), attended(s).await);
    for key in ["one", "two", "three", "four"] {
        guest.add(&scope, key, None, labels(&[]));
    }
    let plain = format!("containerd.io/gc.ref.snapshot.{DRIVER}");
    let more = format!("{plain}/2");
    let edges = [(&*plain, "one"), (&*more, "two"), ("containerd.io/gc.ref.snapshot.x", "three")];
    let config = some(&*s.content, &scope, labels(&edges)).await;
    image(s, &scope, "i", config, labels(&[])).await;
    collect(s).await;
    assert_eq!(guest.keys(), ["one", "two"]);
}

pub async fn a_lease_keeps_a_snapshot(s: &Services) {
    let (scope, guest) = (room(), attended(s).await);
    guest.add(&scope, "low", None, labels(&[]));
    guest.add(&scope, "top", Some("low"), labels(&[]));
    s.leases.create(&scope, "l", &labels(&[])).await.unwrap();
    let resource = Resource::snapshot(DRIVER, "top");
    s.leases.add_resource(&scope, "l", &resource).await.unwrap();
    assert!(collect(s).await.snapshots.is_empty());
    s.leases.delete(&scope, "l").await.unwrap();
    assert_eq!(collect(s).await.snapshots.len(), 2);
    assert!(guest.keys().is_empty());
}

pub async fn a_root_label_keeps_a_snapshot(s: &Services) {
    let (scope, guest) = (room(), attended(s).await);
    guest.add(&scope, "low", None, labels(&[]));
    guest.add(&scope, "pinned", Some("low"), labels(&[(GC_ROOT, "x")]));
    guest.add(&scope, "top", Some("pinned"), labels(&[]));
    collect(s).await;
    assert_eq!(guest.keys(), ["low", "pinned"]);
}

pub async fn a_snapshotter_that_is_absent_loses_nothing(s: &Services) {
    let (scope, guest) = (room(), attended(s).await);
    let kept = some(&*s.content, &scope, labels(&[])).await;
    let mut pinned = edges(&[kept]);
    pinned.insert(GC_ROOT.into(), "x".into());
    guest.add(&scope, "pinned", None, pinned);
    collect(s).await;
    *guest.absent.lock().unwrap() = true;
    // It may refuse while somebody is away, or spare what is theirs.
    if let Ok(collected) = s.collector.collect(false).await {
        assert!(collected.snapshots.is_empty());
    }
    assert_eq!(guest.keys(), ["pinned"]);
    lives(s, &scope, &[kept], &[]).await;
}
