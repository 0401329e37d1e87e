//! A disk that is full: an error that says so, and nothing lost.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use varve_core::collect::Collector;
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::{Digest, Kind, Scope};

/// A small file system, for as long as this lives.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "varve-test"])
            .arg(dir.path())
            .output();
        if !mount.is_ok_and(|output| output.status.success()) {
            varve_core::testsuite::skipped("a small file system can only be mounted by root");
            return None;
        }
        Some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_the_ingest_resumes_when_there_is_room() {
    // The disk is full in the middle of the bytes, and when all that is left is to record them.
    for ballast in [9, 6] {
        fill(ballast << 20).await;
    }
}

async fn fill(size: usize) {
    let Some(disk) = Disk::new("16m") else { return };
    let root = disk.path().join("store");
    let (store, scope) = (kit::store(&root).await, Scope::default());
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; size]).unwrap();
    let bytes = vec![7; 8 << 20];
    let open = || OpenWriter {
        ingest: "large".into(),
        expected: Some(Digest::of(&bytes)),
        total: bytes.len() as u64,
    };
    let mut writer = store.writer(&scope, open()).await.unwrap();
    let mut pieces = bytes.chunks(1 << 20);
    let error = loop {
        let piece = pieces.next().map(Bytes::copy_from_slice);
        let Some(piece) = piece else { break writer.commit(Commit::default()).await.unwrap_err() };
        if let Err(error) = writer.write(piece).await {
            break error;
        }
    };
    assert_eq!(error.kind(), Kind::ResourceExhausted, "{}", error.chain());
    drop(writer);

    std::fs::remove_file(&ballast).unwrap();
    let mut writer = store.writer(&scope, open()).await.unwrap();
    let had = writer.status().offset as usize;
    assert!(had > bytes.len() / 2, "it resumes at {had}");
    writer.write(Bytes::copy_from_slice(&bytes[had..])).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    kit::recounted(&store).await;
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_makes_room_on_a_full_disk() {
    let Some(disk) = Disk::new("16m") else { return };
    let root = disk.path().join("store");
    let (store, scope) = (kit::store(&root).await, Scope::default());
    let garbage = kit::put(&store, &scope, &vec![1; 4 << 20], &[]).await;
    let ballast = disk.path().join("ballast");
    let _ = std::fs::write(&ballast, vec![0; 16 << 20]);
    let done = store.collect(false).await.unwrap();
    assert_eq!(done.blobs.len(), 1);
    assert!(!kit::here(&store, &garbage).await);
    std::fs::remove_file(&ballast).unwrap();
    store.close().await.unwrap();
}
