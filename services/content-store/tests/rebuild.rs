//! Metadata that was lost, in whole or in part, while the files were not.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::path::Path;
use std::time::Duration;

use varve_content_store::{Config, open};
use varve_core::collect::Collector;
use varve_core::content::Content;
use varve_core::images::{Images, Record};
use varve_core::{Descriptor, Digest, MediaType, ResultExt, Scope};

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("blobs/sha256")).unwrap().count()
}

fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_from_an_older_copy_of_the_directory_catches_up_with_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let old = kit::image(&store, &scope, "old", "amd64").await;
    let gone = kit::put(&store, &scope, b"gone", &[]).await;
    kit::name(&store, "x", &old).await;
    store.close().await.unwrap();
    drop(store);
    copy(&dir.path().join("meta"), &dir.path().join("older"));

    let store = kit::store(dir.path()).await;
    let new = kit::image(&store, &scope, "new", "amd64").await;
    let target = Descriptor { platform: None, ..new.clone() };
    let record = Record { name: "x".into(), target: target.clone(), content_labels: Vec::new() };
    store.record(&scope, record).await.unwrap();
    Content::delete(&*store, &scope, &gone).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    std::fs::remove_dir_all(dir.path().join("meta")).unwrap();
    std::fs::rename(dir.path().join("older"), dir.path().join("meta")).unwrap();

    let store = kit::store(dir.path()).await;
    kit::recounted(&store).await;
    assert_eq!(kit::target(&store, "x").await, Some(target));
    assert_eq!(store.info(&scope, &gone).await.found().unwrap(), None);
    let dangling = format!("varve.dangling@{}", old.digest);
    assert!(kit::target(&store, &dangling).await.is_some());
    assert_eq!(store.collect(false).await.unwrap(), Default::default(), "not for a day");
    assert_eq!(files(dir.path()), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_lost_are_rebuilt_and_nothing_is_collected_for_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let scope = Scope::default();
    let store = kit::store(dir.path()).await;
    let child = kit::image(&store, &scope, "r", "amd64").await;
    let absent = Descriptor::new(MediaType::OciManifest, Digest::of(b"elsewhere"), 9);
    let target = kit::index(&store, &scope, &[child.clone(), absent]).await;
    kit::name(&store, "[::1]:5000/r:1", &target).await;
    store.close().await.unwrap();
    drop(store);
    std::fs::remove_dir_all(dir.path().join("meta")).unwrap();
    let junk = dir.path().join("blobs/sha256").join(Digest::of(b"something else").hex());
    std::fs::write(&junk, b"junk").unwrap();

    let config =
        Config { quiet_after_rebuild: Duration::from_secs(86_400), ..Config::new(dir.path()) };
    let store = open(config).await.unwrap();
    assert_eq!(kit::target(&store, "[::1]:5000/r:1").await, Some(target));
    kit::recounted(&store).await;
    let info = store.info(&scope, &child.digest).await.unwrap();
    assert!(info.labels.contains_key("containerd.io/gc.ref.content.config"), "{:?}", info.labels);
    assert!(store.info(&scope, &Digest::of(b"something else")).await.is_err());
    kit::put(&store, &scope, b"loose", &[]).await;
    assert_eq!(store.collect(false).await.unwrap(), Default::default());
    store.close().await.unwrap();
    drop(store);

    std::fs::remove_dir_all(dir.path().join("meta")).unwrap();
    let config = Config { quiet_after_rebuild: Duration::ZERO, ..Config::new(dir.path()) };
    let store = open(config).await.unwrap();
    assert_eq!(store.collect(false).await.unwrap().blobs.len(), 1, "only the loose one");
    assert_eq!(files(dir.path()), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_comes_back_from_its_export_with_its_labels() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let target = kit::image(&store, &scope, "x", "amd64").await;
    kit::name(&store, "x", &target).await;
    let labelled = kit::put(&store, &scope, b"labelled", &[("k", "v")]).await;
    store.close().await.unwrap();
    drop(store);
    let database = dir.path().join("meta/sled/db");
    let mut bytes = std::fs::read(&database).unwrap();
    bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
    std::fs::write(&database, bytes).unwrap();

    let store = kit::store(dir.path()).await;
    kit::recounted(&store).await;
    assert!(kit::target(&store, "x").await.is_some());
    let info = store.info(&scope, &labelled).await.unwrap();
    assert_eq!(info.labels, kit::labels(&[("k", "v")]));
    assert_eq!(store.collect(false).await.unwrap(), Default::default(), "not for a day");
}
