//! Collections that snapshotters attend, and what happens meanwhile.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kit::snapshotter::Snapshotter;
use varve_core::collect::Collector;
use varve_core::containers::{Container, Containers, Runtime};
use varve_core::leases::{Leases, Resource};
use varve_core::{Descriptor, Labels, MediaType, Namespace, Scope};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_keeps_its_snapshot_with_its_parents_and_the_rest_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let pinned = kit::put(&store, &scope, b"pinned by a snapshot", &[]).await;
    let edge = pinned.to_string();
    let edge = [("containerd.io/gc.ref.content.layer", edge.as_str())];
    let guest = Snapshotter::with(&[
        ("base", None, &edge),
        ("rw", Some("base"), &[]),
        ("stray", Some("base"), &[]),
        ("root", None, &[("containerd.io/gc.root", "1")]),
    ]);
    store.attend("overlayfs", guest.clone()).await.unwrap();
    let container = Container {
        id: "c1".into(),
        labels: Labels::new(),
        image: String::new(),
        runtime: Runtime::default(),
        spec: None,
        snapshotter: "overlayfs".into(),
        snapshot_key: "rw".into(),
        created_at: varve_core::time::now(),
        updated_at: varve_core::time::now(),
        extensions: Default::default(),
    };
    Containers::create(&*store, &scope, &container).await.unwrap();
    let told = store.collect(true).await.unwrap();
    assert!(guest.removed.lock().unwrap().is_empty());
    assert_eq!(store.collect(false).await.unwrap(), told);
    assert_eq!(*guest.removed.lock().unwrap(), ["stray"]);
    assert!(kit::here(&store, &pinned).await);
    Containers::delete(&*store, &scope, "c1").await.unwrap();
    store.collect(false).await.unwrap();
    assert_eq!(*guest.removed.lock().unwrap(), ["stray", "base", "rw"]);
    assert!(!kit::here(&store, &pinned).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_snapshotter_is_away_what_it_refers_to_lives() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let pinned = kit::put(&store, &scope, b"pinned", &[]).await;
    let edge = pinned.to_string();
    let edge = [("containerd.io/gc.ref.content.layer", edge.as_str())];
    let guest = Snapshotter::with(&[("base", None, &edge), ("leaf", Some("base"), &edge)]);
    store.attend("native", guest.clone()).await.unwrap();
    store.close().await.unwrap();
    drop(store);

    // Closed in good order: what it refers to is known, the rest can go.
    let store = kit::store(dir.path()).await;
    assert_eq!(store.known_attendees().await.unwrap(), ["native"]);
    let loose = kit::put(&store, &scope, b"loose", &[]).await;
    store.collect(false).await.unwrap();
    assert!(kit::here(&store, &pinned).await && !kit::here(&store, &loose).await);

    // Here, and then gone without a word: nobody knows, so nothing goes.
    guest.away.store(true, Ordering::Relaxed);
    store.attend("native", guest.clone()).await.unwrap();
    let loose = kit::put(&store, &scope, b"loose", &[]).await;
    store.collect(false).await.unwrap();
    assert!(kit::here(&store, &pinned).await && kit::here(&store, &loose).await);

    guest.away.store(false, Ordering::Relaxed);
    store.collect(false).await.unwrap();
    assert!(
        !kit::here(&store, &pinned).await && !kit::here(&store, &loose).await,
        "it told: no root"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_or_moved_during_a_collection_lives() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let moved = kit::put(&store, &scope, b"moved", &[]).await;
    let rescued = kit::put(&store, &scope, b"rescued", &[]).await;
    let loose = kit::put(&store, &scope, b"loose", &[]).await;
    let target = Descriptor::new(MediaType::OciManifest, moved, 5);
    kit::name(&store, "only", &target).await;
    let guest = Snapshotter::with(&[]);
    let told = guest.meanwhile.set();
    store.attend("overlayfs", guest).await.unwrap();

    let collecting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.collect(false).await.unwrap() }
    });
    let done = told.await.unwrap();
    // Its only reference goes: it could have moved into a snapshot that was made this moment.
    kit::unname(&store, "only").await;
    // Held for a moment: whoever held it could have used it likewise.
    Leases::create(&*store, &scope, "l", &Labels::new()).await.unwrap();
    store.add_resource(&scope, "l", &Resource::content(&rescued)).await.unwrap();
    Leases::delete(&*store, &scope, "l").await.unwrap();
    let born = kit::put(&store, &scope, b"born", &[]).await;
    done.send(()).unwrap();

    let collected = collecting.await.unwrap();
    assert_eq!(collected.blobs, [(Namespace::default(), loose)]);
    assert_eq!(store.collect(false).await.unwrap().blobs.len(), 3);
    assert!(!kit::here(&store, &moved).await && !kit::here(&store, &born).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_refers_to_a_snapshot_that_is_being_removed_is_answered_when_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let guest = Snapshotter::with(&[("doomed", None, &[])]);
    let told = guest.removing.set();
    store.attend("overlayfs", guest.clone()).await.unwrap();
    Leases::create(&*store, &scope, "l", &Labels::new()).await.unwrap();
    let collecting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.collect(false).await.unwrap() }
    });
    let go_on = told.await.unwrap();
    let (doomed, other) =
        (Resource::snapshot("overlayfs", "doomed"), Resource::snapshot("overlayfs", "other"));
    store.add_resource(&scope, "l", &other).await.unwrap();
    let held = store.add_resource(&scope, "l", &doomed);
    tokio::pin!(held);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut held).await;
    assert!(early.is_err(), "it was answered while the snapshot was still there");
    go_on.send(()).unwrap();
    held.await.unwrap();
    assert!(guest.nodes.lock().unwrap().is_empty(), "whoever looks now finds it gone");
    collecting.await.unwrap();
}

/// Two images on one base: what goes with one of them is its own snapshot, unless a container is on it, or another
/// snapshot; also in a store from before the edges to snapshots were stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_collection_below_an_image_takes_the_snapshots_that_nothing_else_is_on() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let guest = Snapshotter::with(&[
        ("base", None, &[]),
        ("a", Some("base"), &[]),
        ("b", Some("base"), &[]),
    ]);
    store.attend("overlayfs", guest.clone()).await.unwrap();
    let mut digests = Vec::new();
    for name in ["a", "b"] {
        let edge = [("containerd.io/gc.ref.snapshot.overlayfs", name)];
        let digest = kit::put(&store, &scope, name.as_bytes(), &edge).await;
        let target = varve_core::Descriptor::new(varve_core::MediaType::OciManifest, digest, 1);
        kit::name(&store, name, &target).await;
        digests.push(digest);
    }
    kit::unname(&store, "a").await;
    guest.nodes.lock().unwrap().push(varve_core::collect::Node {
        namespace: Default::default(),
        key: "on-a".into(),
        parent: Some("a".into()),
        labels: Labels::new(),
        size: 1,
    });
    store.collect_below(&scope, &digests[..1]).await.unwrap();
    assert!(guest.removed.lock().unwrap().is_empty(), "a snapshot is on it");
    assert!(!kit::here(&store, &digests[0]).await, "its blob is nobody's");

    kit::unname(&store, "b").await;
    let held = varve_core::leases::Resource { kind: "snapshots/overlayfs".into(), id: "b".into() };
    varve_core::leases::Leases::create(&*store, &scope, "l", &Labels::new()).await.unwrap();
    varve_core::leases::Leases::add_resource(&*store, &scope, "l", &held).await.unwrap();
    let done = store.collect_below(&scope, &digests[1..]).await.unwrap();
    assert_eq!((done.blobs.len(), done.snapshots.len()), (1, 0), "a lease holds it");
    kit::recounted(&store).await;
    store.collect(false).await.unwrap();
    assert_eq!(*guest.removed.lock().unwrap(), ["a", "on-a"]);
    varve_core::leases::Leases::delete(&*store, &scope, "l").await.unwrap();
    store.collect(false).await.unwrap();
    assert_eq!(guest.removed.lock().unwrap()[2..], ["base", "b"]);
}
