//! Blobs: what a commit makes of an ingest, and what can be done to it then.

use std::slice;

use bytes::Bytes;

use super::Services;
use super::kit::{between, blob, filters, get, labels, mask, open, put, refused, room, some};
use crate::content::{Commit, OpenWriter};
use crate::digest::Digest;
use crate::error::Kind;
use crate::mask::Mask;
use crate::time;

/// The promises of [`crate::content::Content`] about blobs.
#[macro_export]
macro_rules! content_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            content_contract,
            content,
            $fresh,
            [
                what_was_committed_can_be_read,
                a_blob_is_readable_at_any_offset_and_empty_at_its_end,
                a_blob_of_no_bytes_is_a_blob,
                a_large_blob_comes_back_whole,
                nothing_is_a_blob_before_its_commit,
                a_blob_that_is_here_cannot_be_committed_again,
                bytes_that_hash_otherwise_are_no_blob,
                another_size_than_promised_is_refused,
                what_was_expected_at_the_opening_holds_at_the_commit,
                labels_are_set_at_the_commit,
                an_update_replaces_what_its_mask_names,
                nothing_but_labels_is_mutable,
                a_label_too_long_is_refused_and_changes_nothing,
                a_list_is_filtered_and_in_order,
                a_filter_that_is_none_is_refused,
                a_deleted_blob_is_gone_and_can_come_again,
                what_is_not_here_is_not_found,
            ]
        );
    };
}

pub async fn what_was_committed_can_be_read(s: &Services) {
    let scope = room();
    for known in [(false, false), (true, false), (false, true), (true, true)] {
        let (bytes, digest) = blob(256);
        let total = if known.0 { 256 } else { 0 };
        let ingest = format!("c-{}-{}", known.0, known.1);
        let open = OpenWriter { ingest, total, expected: known.1.then_some(digest) };
        let mut writer = s.content.writer(&scope, open).await.unwrap();
        for piece in bytes.chunks(32) {
            writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        let before = time::now();
        assert_eq!(writer.commit(Commit::default()).await.unwrap(), digest);
        let info = s.content.info(&scope, &digest).await.unwrap();
        assert_eq!((info.digest, info.size), (digest, 256));
        between(info.created_at, (before, time::now()));
        assert_eq!(info.created_at, info.updated_at);
        assert_eq!(get(&*s.content, &scope, &digest).await, bytes);
    }
    assert!(s.content.list_statuses(&scope, &[]).await.unwrap().is_empty());
}

pub async fn a_blob_is_readable_at_any_offset_and_empty_at_its_end(s: &Services) {
    let scope = room();
    let digest = put(&*s.content, &scope, &Bytes::from_static(b"foobar"), labels(&[])).await;
    let reader = s.content.reader(&scope, &digest).await.unwrap();
    assert_eq!(reader.size(), 6);
    assert_eq!(reader.read_at(3, 2).await.unwrap(), "ba");
    assert_eq!(reader.read_at(0, 7).await.unwrap(), "foobar");
    assert_eq!(reader.read_at(6, 1).await.unwrap(), "");
    refused(reader.read_at(7, 1).await, Kind::OutOfRange);
    refused(reader.read_at(u64::MAX, 1).await, Kind::OutOfRange);
}

pub async fn a_blob_of_no_bytes_is_a_blob(s: &Services) {
    let scope = room();
    let mut writer = open(&*s.content, &scope, "empty").await.unwrap();
    assert_eq!(writer.digest().await.unwrap(), Digest::of(b""));
    let digest = writer.commit(Commit::default()).await.unwrap();
    assert_eq!(digest, Digest::of(b""));
    assert_eq!(s.content.info(&scope, &digest).await.unwrap().size, 0);
    assert_eq!(get(&*s.content, &scope, &digest).await, "");
}

pub async fn a_large_blob_comes_back_whole(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob((5 << 20) + 7));
    let mut writer = open(&*s.content, &scope, "large").await.unwrap();
    for piece in bytes.chunks(300_001) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let commit = Commit { size: bytes.len() as u64, expected: Some(digest), labels: labels(&[]) };
    writer.commit(commit).await.unwrap();
    assert!(get(&*s.content, &scope, &digest).await == bytes);
    let reader = s.content.reader(&scope, &digest).await.unwrap();
    let middle = reader.read_at(1_234_567, 1000).await.unwrap();
    assert_eq!(middle, bytes[1_234_567..][..middle.len()]);
}

pub async fn nothing_is_a_blob_before_its_commit(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(100));
    let mut writer = open(&*s.content, &scope, "early").await.unwrap();
    writer.write(bytes).await.unwrap();
    refused(s.content.info(&scope, &digest).await, Kind::NotFound);
    refused(s.content.reader(&scope, &digest).await, Kind::NotFound);
    assert!(s.content.list(&scope, &[]).await.unwrap().is_empty());
}

pub async fn a_blob_that_is_here_cannot_be_committed_again(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(256));
    put(&*s.content, &scope, &bytes, labels(&[("first", "1")])).await;
    for expected in [Some(digest), None] {
        let mut writer = open(&*s.content, &scope, "again").await.unwrap();
        writer.write(bytes.clone()).await.unwrap();
        let commit = Commit { size: 256, expected, labels: labels(&[("second", "2")]) };
        refused(writer.commit(commit).await, Kind::AlreadyExists);
        // The ref is free at once, though the writer still stands there.
        refused(s.content.status(&scope, "again").await, Kind::NotFound);
        drop(open(&*s.content, &scope, "again").await.unwrap());
        drop(writer);
        s.content.abort(&scope, "again").await.unwrap();
    }
    let info = s.content.info(&scope, &digest).await.unwrap();
    assert_eq!(info.labels, labels(&[("first", "1")]));
}

pub async fn bytes_that_hash_otherwise_are_no_blob(s: &Services) {
    let (scope, (bytes, digest), (_, other)) = (room(), blob(256), blob(256));
    let mut writer = open(&*s.content, &scope, "wrong").await.unwrap();
    writer.write(bytes.clone()).await.unwrap();
    let commit = Commit { expected: Some(other), ..Commit::default() };
    refused(writer.commit(commit).await, Kind::FailedPrecondition);
    drop(writer);
    for absent in [digest, other] {
        refused(s.content.info(&scope, &absent).await, Kind::NotFound);
    }
    // The ingest is as it was and can still become what it is.
    let mut writer = open(&*s.content, &scope, "wrong").await.unwrap();
    assert_eq!(writer.status().offset, 256);
    let commit = Commit { expected: Some(digest), ..Commit::default() };
    assert_eq!(writer.commit(commit).await.unwrap(), digest);
    assert_eq!(get(&*s.content, &scope, &digest).await, bytes);
}

pub async fn another_size_than_promised_is_refused(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(256));
    for size in [255, 257] {
        let mut writer = open(&*s.content, &scope, "sized").await.unwrap();
        writer.truncate(0).await.unwrap();
        writer.write(bytes.clone()).await.unwrap();
        let commit = Commit { size, expected: Some(digest), labels: labels(&[]) };
        refused(writer.commit(commit).await, Kind::FailedPrecondition);
        drop(writer);
        assert_eq!(s.content.status(&scope, "sized").await.unwrap().offset, 256);
        refused(s.content.info(&scope, &digest).await, Kind::NotFound);
    }
    s.content.abort(&scope, "sized").await.unwrap();
}

pub async fn what_was_expected_at_the_opening_holds_at_the_commit(s: &Services) {
    let (scope, (bytes, digest), (_, other)) = (room(), blob(64), blob(64));
    let open = OpenWriter { ingest: "r".into(), total: 64, expected: Some(other) };
    let mut writer = s.content.writer(&scope, open).await.unwrap();
    writer.write(bytes).await.unwrap();
    refused(writer.commit(Commit::default()).await, Kind::FailedPrecondition);
    for absent in [digest, other] {
        refused(s.content.info(&scope, &absent).await, Kind::NotFound);
    }
}

pub async fn labels_are_set_at_the_commit(s: &Services) {
    let scope = room();
    let wanted = labels(&[("k1", "v1"), ("containerd.io/distribution.source.x", "a/b,c/d")]);
    let digest = some(&*s.content, &scope, wanted.clone()).await;
    assert_eq!(s.content.info(&scope, &digest).await.unwrap().labels, wanted);
}

pub async fn an_update_replaces_what_its_mask_names(s: &Services) {
    let scope = room();
    let digest = some(&*s.content, &scope, labels(&[("k1", "v1"), ("k2", "v2")])).await;
    let created = s.content.info(&scope, &digest).await.unwrap().created_at;
    let steps = [
        (Mask::all(), vec![("k1", "new"), ("k3", "v3")], vec![("k1", "new"), ("k3", "v3")]),
        (mask(&["labels.k1", "labels.k3"]), vec![("k1", "v1"), ("k9", "x")], vec![("k1", "v1")]),
        (mask(&["labels.a.b/c"]), vec![("a.b/c", "1")], vec![("a.b/c", "1"), ("k1", "v1")]),
        (mask(&["labels.k1"]), vec![("k1", "")], vec![("a.b/c", "1")]),
        (mask(&["labels"]), vec![("z", "26")], vec![("z", "26")]),
    ];
    for (mask, new, wanted) in steps {
        let before = time::now();
        let told = s.content.update(&scope, &digest, &labels(&new), &mask).await.unwrap();
        assert_eq!(told.labels, labels(&wanted), "{mask:?}");
        between(told.updated_at, (before, time::now()));
        assert_eq!((told.created_at, told.size), (created, 64));
        assert_eq!(s.content.info(&scope, &digest).await.unwrap(), told);
    }
}

pub async fn nothing_but_labels_is_mutable(s: &Services) {
    let scope = room();
    let digest = some(&*s.content, &scope, labels(&[("k", "v")])).await;
    let update = s.content.update(&scope, &digest, &labels(&[]), &mask(&["size"])).await;
    refused(update, Kind::InvalidArgument);
    assert_eq!(s.content.info(&scope, &digest).await.unwrap().labels, labels(&[("k", "v")]));
}

pub async fn a_label_too_long_is_refused_and_changes_nothing(s: &Services) {
    let (scope, long) = (room(), "v".repeat(4096));
    let digest = some(&*s.content, &scope, labels(&[("k", "v")])).await;
    let before = s.content.info(&scope, &digest).await.unwrap();
    let update = s.content.update(&scope, &digest, &labels(&[("k", &long)]), &Mask::all()).await;
    refused(update, Kind::InvalidArgument);
    assert_eq!(s.content.info(&scope, &digest).await.unwrap(), before);

    let (bytes, digest) = blob(10);
    let mut writer = open(&*s.content, &scope, "long").await.unwrap();
    writer.write(bytes).await.unwrap();
    let commit = Commit { labels: labels(&[("k", &long)]), ..Commit::default() };
    refused(writer.commit(commit).await, Kind::InvalidArgument);
    refused(s.content.info(&scope, &digest).await, Kind::NotFound);
}

pub async fn a_list_is_filtered_and_in_order(s: &Services) {
    let scope = room();
    let a = some(&*s.content, &scope, labels(&[("kind", "a"), ("x.y/z", "1")])).await;
    let b = some(&*s.content, &scope, labels(&[("kind", "b"), ("x.y/z", "1")])).await;
    let c = put(&*s.content, &scope, &blob(99).0, labels(&[])).await;
    let by_digest = format!("digest=={c}");
    for (texts, wanted) in [
        (vec![], vec![a, b, c]),
        (vec!["labels.kind==a"], vec![a]),
        (vec!["labels.kind"], vec![a, b]),
        (vec!["labels.kind!=a"], vec![b, c]),
        (vec![r#"labels."x.y/z"==1,labels.kind~=^b"#], vec![b]),
        (vec!["labels.kind==a", &by_digest], vec![a, c]),
        (vec!["size==99"], vec![c]),
        (vec!["labels.kind==nothing"], vec![]),
    ] {
        let mut wanted = wanted;
        wanted.sort();
        let infos = s.content.list(&scope, &filters(&texts)).await.unwrap();
        let digests: Vec<_> = infos.iter().map(|info| info.digest).collect();
        assert_eq!(digests, wanted, "{texts:?}");
    }
    assert!(s.content.list(&room(), &[]).await.unwrap().is_empty());
}

pub async fn a_filter_that_is_none_is_refused(s: &Services) {
    let bad = "labels.kind==".to_owned() + "\"unclosed";
    let scope = room();
    some(&*s.content, &scope, labels(&[])).await;
    refused(s.content.list(&scope, slice::from_ref(&bad)).await, Kind::InvalidArgument);
    refused(s.content.list_statuses(&scope, &[bad]).await, Kind::InvalidArgument);
}

pub async fn a_deleted_blob_is_gone_and_can_come_again(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(500));
    put(&*s.content, &scope, &bytes, labels(&[("old", "1")])).await;
    s.content.delete(&scope, &digest).await.unwrap();
    refused(s.content.info(&scope, &digest).await, Kind::NotFound);
    refused(s.content.reader(&scope, &digest).await, Kind::NotFound);
    refused(s.content.delete(&scope, &digest).await, Kind::NotFound);
    put(&*s.content, &scope, &bytes, labels(&[])).await;
    assert_eq!(s.content.info(&scope, &digest).await.unwrap().labels, labels(&[]));
    assert_eq!(get(&*s.content, &scope, &digest).await, bytes);
}

pub async fn what_is_not_here_is_not_found(s: &Services) {
    let (scope, (_, digest)) = (room(), blob(8));
    refused(s.content.info(&scope, &digest).await, Kind::NotFound);
    refused(s.content.reader(&scope, &digest).await, Kind::NotFound);
    refused(s.content.delete(&scope, &digest).await, Kind::NotFound);
    let update = s.content.update(&scope, &digest, &labels(&[]), &Mask::all()).await;
    refused(update, Kind::NotFound);
}
