//! Snapshotters that attend the collections of a store elsewhere.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{sleep, timeout};
use varve_core::collect::{Attendee, Collector, Frozen, Node};
use varve_core::testsuite::contract::Services;
use varve_core::testsuite::memory;
use varve_core::{Labels, Namespace, Result};
use varve_rpc::collect;

/// Has as many snapshots as it is told, none of which anybody refers to.
#[derive(Default)]
struct Guest {
    nodes: AtomicUsize,
    freezes: AtomicUsize,
}

#[async_trait]
impl Attendee for Guest {
    async fn freeze(&self) -> Result<Frozen> {
        self.freezes.fetch_add(1, Ordering::SeqCst);
        let node = |at: usize| Node {
            namespace: Namespace::default(),
            key: format!("key-{at}"),
            parent: None,
            labels: Labels::from([("containerd.io/gc.x".into(), "y".repeat(300))]),
            size: 1,
        };
        let nodes = (0..self.nodes.load(Ordering::SeqCst)).map(node).collect();
        Ok(Frozen { generation: 7, nodes })
    }

    async fn remove(&self, generation: u64, doomed: Vec<(Namespace, String)>) -> Result<u64> {
        assert_eq!(generation, 7);
        let before = self.nodes.fetch_sub(doomed.len(), Ordering::SeqCst);
        assert_eq!(before, doomed.len());
        Ok(doomed.len() as u64)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshotter_of_a_great_many_snapshots_is_asked_and_answers_in_pieces() {
    let store = Arc::new(memory::Store::new());
    let pipes = kit::Pipes::new();
    let _serving = pipes.serve(kit::routes(&Services::all(store.clone())), None);
    let (client, guest) = (collect::Client::new(pipes.channel()), Arc::new(Guest::default()));
    client.attend("s", guest.clone()).await.unwrap();
    guest.nodes.store(20_000, Ordering::SeqCst);
    let collected = store.collect(false).await.unwrap();
    assert_eq!((collected.snapshots.len(), collected.bytes), (20_000, 20_000));
    assert_eq!(guest.nodes.load(Ordering::SeqCst), 0);
    assert!(store.collect(false).await.unwrap().snapshots.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshotter_attends_again_when_the_store_comes_back() {
    let pipes = kit::Pipes::new();
    let guest = Arc::new(Guest::default());
    let (attendee, channel) = (guest.clone(), pipes.channel());
    // Nobody is there yet.
    let attending = tokio::spawn(async move { collect::attend(channel, "s", attendee).await });
    for life in 1..=3 {
        let store = Arc::new(memory::Store::new());
        let serving = pipes.serve(kit::routes(&Services::all(store.clone())), None);
        let asked = async {
            while guest.freezes.load(Ordering::SeqCst) < life {
                store.collect(true).await.unwrap();
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(30), asked).await.unwrap();
        // As kill -9 would: the connection breaks.
        drop(serving);
        guest.freezes.store(life, Ordering::SeqCst);
    }
    attending.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshotter_that_has_gone_is_absent_and_loses_nothing() {
    let store = Arc::new(memory::Store::new());
    let pipes = kit::Pipes::new();
    let _serving = pipes.serve(kit::routes(&Services::all(store.clone())), None);
    let (client, guest) = (collect::Client::new(pipes.channel()), Arc::new(Guest::default()));
    client.attend("s", guest.clone()).await.unwrap();
    guest.nodes.store(3, Ordering::SeqCst);
    assert_eq!(store.collect(true).await.unwrap().snapshots.len(), 3);
    drop(client);
    let absent = async {
        while !store.collect(true).await.unwrap().snapshots.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), absent).await.unwrap();
    assert_eq!(guest.nodes.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_name_that_could_be_a_path_cannot_attend() {
    let pipes = kit::Pipes::new();
    let store = Services::all(Arc::new(memory::Store::new()));
    let _serving = pipes.serve(kit::routes(&store), None);
    let client = collect::Client::new(pipes.channel());
    let refused = client.attend("../x", Arc::new(Guest::default())).await;
    assert_eq!(refused.unwrap_err().kind(), varve_core::Kind::InvalidArgument);
}
