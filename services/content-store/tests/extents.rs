//! Followers that read the file themselves.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use bytes::Bytes;
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::{Digest, Kind, Scope};

fn open(bytes: &[u8]) -> OpenWriter {
    OpenWriter { ingest: "r".into(), expected: Some(Digest::of(bytes)), total: 0 }
}

#[tokio::test]
async fn a_file_opened_behind_the_writer_is_read_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let bytes = vec![7; 300_000];
    let mut follower = store.follow(&scope, &Digest::of(&bytes)).await.unwrap();
    let mut writer = store.writer(&scope, open(&bytes)).await.unwrap();
    writer.write(Bytes::copy_from_slice(&bytes[..100])).await.unwrap();
    let extent = follower.next_extent().await.unwrap().unwrap();
    assert_eq!(extent.end, 100);
    let inode = |file: &File| file.metadata().unwrap().ino();
    let by_path = File::open(&extent.path).unwrap();
    assert_eq!(inode(&by_path), inode(&extent.file));
    writer.write(Bytes::copy_from_slice(&bytes[100..])).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    let mut end = extent.end;
    while let Some(more) = follower.next_extent().await.unwrap() {
        assert!(more.end > end && inode(&more.file) == inode(&by_path));
        end = more.end;
    }
    let mut all = vec![0; bytes.len()];
    extent.file.read_exact_at(&mut all, 0).unwrap();
    assert!(end == bytes.len() as u64 && all == bytes);
}

#[tokio::test]
async fn who_reads_the_file_is_sent_back_by_a_truncation() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let mut follower = store.follow(&scope, &Digest::of(b"right")).await.unwrap();
    let mut writer = store.writer(&scope, open(b"right")).await.unwrap();
    writer.write(Bytes::from_static(b"wrong")).await.unwrap();
    assert_eq!(follower.next_extent().await.unwrap().unwrap().end, 5);
    writer.truncate(0).await.unwrap();
    writer.write(Bytes::from_static(b"right")).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    assert_eq!(follower.next_extent().await.unwrap_err().kind(), Kind::Aborted);
}
