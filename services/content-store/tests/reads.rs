//! Blobs that stay open between reads: what is removed, or is not what it was, is not read any more.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use varve_content_store::ContentStore;
use varve_core::collect::Collector;
use varve_core::content::Content;
use varve_core::{Digest, Kind, Result, Scope};

async fn read(store: &ContentStore, scope: &Scope, digest: &Digest) -> Result<Vec<u8>> {
    Ok(store.reader(scope, digest).await?.read_all(1 << 20).await?.to_vec())
}

async fn kind(store: &ContentStore, scope: &Scope, digest: &Digest) -> Kind {
    read(store, scope, digest).await.unwrap_err().kind()
}

fn other() -> Scope {
    Scope::of("other".parse().unwrap())
}

/// The files below `dir` that this process has open; one that has no name any more ends in ` (deleted)`.
fn open_below(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let files = all.filter_map(|link| fs::read_link(link).ok());
    files.filter(|file| file.starts_with(dir.join("blobs"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_lost_a_blob_cannot_read_it_though_another_can() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let blob = kit::put(&store, &scope, b"bytes", &[]).await;
    kit::put(&store, &other(), b"bytes", &[]).await;
    for _ in 0..3 {
        assert_eq!(read(&store, &scope, &blob).await.unwrap(), b"bytes");
        assert_eq!(read(&store, &other(), &blob).await.unwrap(), b"bytes");
    }
    Content::delete(&*store, &scope, &blob).await.unwrap();
    assert_eq!(kind(&store, &scope, &blob).await, Kind::NotFound);
    assert_eq!(read(&store, &other(), &blob).await.unwrap(), b"bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_collected_is_not_read_and_its_room_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let (store, scope) = (kit::store(&dir).await, Scope::default());
    let blob = kit::put(&store, &scope, b"loose", &[]).await;
    read(&store, &scope, &blob).await.unwrap();
    assert_eq!(open_below(&dir).len(), 1);
    store.collect(false).await.unwrap();
    assert_eq!(kind(&store, &scope, &blob).await, Kind::NotFound);
    assert_eq!(open_below(&dir), Vec::<PathBuf>::new());
    // Put in again, it is another file.
    kit::put(&store, &scope, b"loose", &[]).await;
    assert_eq!(read(&store, &scope, &blob).await.unwrap(), b"loose");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_went_or_shrank_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let (gone, shrunk) = (
        kit::put(&store, &scope, b"gone", &[]).await,
        kit::put(&store, &scope, b"shrunk", &[]).await,
    );
    read(&store, &scope, &gone).await.unwrap();
    read(&store, &scope, &shrunk).await.unwrap();
    let path = |digest: &Digest| dir.path().join("blobs/sha256").join(digest.hex());
    fs::remove_file(path(&gone)).unwrap();
    fs::set_permissions(path(&shrunk), fs::Permissions::from_mode(0o600)).unwrap();
    fs::OpenOptions::new().write(true).open(path(&shrunk)).unwrap().set_len(3).unwrap();
    assert_eq!(kind(&store, &scope, &gone).await, Kind::DataLoss);
    assert_eq!(kind(&store, &scope, &shrunk).await, Kind::DataLoss);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_few_stay_open_and_none_after_the_close() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let (store, scope) = (kit::store(&dir).await, Scope::default());
    for n in 0..50_u8 {
        let blob = kit::put(&store, &scope, &[n; 10], &[]).await;
        assert_eq!(read(&store, &scope, &blob).await.unwrap(), [n; 10]);
    }
    // The thread that wrote the last one may still be about to end.
    for _ in 0..100 {
        if open_below(&dir).len() > 16 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    assert_eq!(open_below(&dir).len(), 16);
    store.close().await.unwrap();
    assert_eq!(open_below(&dir).len(), 0);
    let blob = Digest::of(&[49; 10]);
    assert_eq!(kind(&store, &scope, &blob).await, Kind::Unavailable);
}
