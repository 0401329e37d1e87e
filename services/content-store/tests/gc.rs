//! Collections: what stays and what goes.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::time::Duration;

use varve_content_store::{Config, open};
use varve_core::collect::Collector;
use varve_core::content::{Content, OpenWriter};
use varve_core::images::{Images, Record};
use varve_core::leases::{Leases, Resource};
use varve_core::{Descriptor, Digest, Kind, Labels, MediaType, Namespace, Scope};

fn files(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir.join("blobs/sha256")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_image_refers_to_stays_and_the_rest_goes_with_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let target = kit::image(&store, &scope, "kept", "amd64").await;
    kit::name(&store, "kept", &target).await;
    let loose = kit::put(&store, &scope, b"loose", &[]).await;
    let told = store.collect(true).await.unwrap();
    assert!(kit::here(&store, &loose).await, "a dry run removes nothing");
    let done = store.collect(false).await.unwrap();
    assert_eq!(told, done);
    assert_eq!(done.blobs, [(Namespace::default(), loose)]);
    assert_eq!((done.bytes, files(dir.path())), (5, 3));
    kit::unname(&store, "kept").await;
    store.collect(false).await.unwrap();
    assert_eq!(files(dir.path()), 0);
    kit::recounted(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_in_a_circle_keep_nothing_alive_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    let edge = "containerd.io/gc.ref.content.x";
    kit::put(&store, &scope, b"a", &[(edge, &b.to_string())]).await;
    kit::put(&store, &scope, b"b", &[(edge, &a.to_string())]).await;
    let target = Descriptor::new(MediaType::OciManifest, a, 1);
    kit::name(&store, "a", &target).await;
    assert_eq!(store.references(&scope, &a).await.unwrap(), 2);
    store.collect(false).await.unwrap();
    assert!(kit::here(&store, &a).await && kit::here(&store, &b).await);
    kit::unname(&store, "a").await;
    store.collect(false).await.unwrap();
    assert!(!kit::here(&store, &a).await && !kit::here(&store, &b).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_keeps_what_it_holds_until_it_ends_and_a_flat_one_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let leaf = kit::put(&store, &scope, b"leaf", &[]).await;
    let edge = [("containerd.io/gc.ref.content", leaf.to_string())];
    let edge: Vec<(&str, &str)> = edge.iter().map(|(k, v)| (*k, v.as_str())).collect();
    Leases::create(&*store, &scope, "l", &Labels::new()).await.unwrap();
    let top = kit::put(&store, &scope.leased("l"), b"top", &edge).await;
    store.collect(false).await.unwrap();
    assert!(kit::here(&store, &top).await && kit::here(&store, &leaf).await);

    let flat = kit::labels(&[("containerd.io/gc.flat", "1")]);
    Leases::create(&*store, &scope, "flat", &flat).await.unwrap();
    store.add_resource(&scope, "flat", &Resource::content(&top)).await.unwrap();
    Leases::renew(&*store, &scope, "l", Duration::ZERO).await.unwrap();
    let done = store.collect(false).await.unwrap();
    assert_eq!(done.leases, [(Namespace::default(), "l".to_owned())]);
    assert!(kit::here(&store, &top).await && !kit::here(&store, &leaf).await);
    kit::recounted(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_ingest_goes_unless_a_lease_holds_it_or_somebody_writes() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { idle_ingest: Duration::ZERO, ..Config::new(dir.path()) };
    let (store, scope) = (open(config).await.unwrap(), Scope::default());
    Leases::create(&*store, &scope, "l", &Labels::new()).await.unwrap();
    let named = |name: &str| OpenWriter { ingest: name.into(), ..OpenWriter::default() };
    drop(store.writer(&scope, named("idle")).await.unwrap());
    drop(store.writer(&scope.leased("l"), named("leased")).await.unwrap());
    let busy = store.writer(&scope, named("busy")).await.unwrap();
    let done = store.collect(false).await.unwrap();
    assert_eq!(done.ingests, [(Namespace::default(), "idle".to_owned())]);
    drop(busy);
    Leases::delete(&*store, &scope, "l").await.unwrap();
    assert_eq!(store.collect(false).await.unwrap().ingests.len(), 2);
    assert_eq!(std::fs::read_dir(dir.path().join("ingest")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_leaves_a_dangling_image_that_a_name_takes_away_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let (old, new) = (
        kit::image(&store, &scope, "old", "amd64").await,
        kit::image(&store, &scope, "new", "amd64").await,
    );
    let record = |name: &str, target: &Descriptor| Record {
        name: name.into(),
        target: target.clone(),
        content_labels: vec![(target.digest, kit::labels(&[("k", "v")]))],
    };
    assert_eq!(store.record(&scope, record("x", &old)).await.unwrap(), None);
    let before = store.record(&scope, record("x", &new)).await.unwrap().unwrap();
    assert_eq!(before.target, old);
    let dangling = format!("varve.dangling@{}", old.digest);
    assert_eq!(kit::target(&store, &dangling).await, Some(old.clone()));
    store.collect(false).await.unwrap();
    assert!(kit::here(&store, &old.digest).await);
    store.record(&scope, record("y", &old)).await.unwrap();
    assert_eq!(kit::target(&store, &dangling).await, None);
    let absent =
        Record { content_labels: vec![(Digest::of(b"?"), Labels::new())], ..record("z", &old) };
    assert_eq!(store.record(&scope, absent).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(kit::target(&store, "z").await, None);
    kit::recounted(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_record_is_removed_and_a_damaged_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let stray = dir.path().join("blobs/sha256").join(Digest::of(b"stray").hex());
    std::fs::write(&stray, b"stray").unwrap();
    assert_eq!(store.collect(true).await.unwrap().bytes, 5);
    assert_eq!(store.collect(false).await.unwrap().bytes, 5);
    assert!(!stray.exists());

    let lost = kit::put(&store, &scope, b"lost", &[("containerd.io/gc.root", "1")]).await;
    std::fs::remove_file(dir.path().join("blobs/sha256").join(lost.hex())).unwrap();
    let error = store.reader(&scope, &lost).await.err().unwrap();
    assert_eq!(error.kind(), Kind::DataLoss, "{}", error.chain());
    // A pull writes it anew, and all is well.
    let open = OpenWriter { ingest: "again".into(), expected: Some(lost), total: 4 };
    let mut writer = store.writer(&scope, open).await.unwrap();
    writer.write(bytes::Bytes::from_static(b"lost")).await.unwrap();
    writer.commit(Default::default()).await.unwrap();
    assert!(store.reader(&scope, &lost).await.is_ok());
}
