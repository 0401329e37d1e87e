//! Ingests: how they begin, are left, taken up again and dropped.

use bytes::Bytes;

use super::Services;
use super::kit::{between, blob, expect, filters, get, open, put, refused, room};
use crate::content::{Commit, OpenWriter};
use crate::digest::Digest;
use crate::error::Kind;
use crate::labels::Labels;
use crate::time;

/// The promises of [`crate::content::Content`] about ingests.
#[macro_export]
macro_rules! ingests_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            ingests_contract,
            ingests,
            $fresh,
            [
                a_ref_has_one_writer,
                a_ref_is_each_namespaces_own,
                an_ingest_needs_a_ref,
                the_status_tells_every_byte_taken,
                an_ingest_outlives_its_writer_and_keeps_its_times,
                an_ingest_is_resumed_wherever_it_was_left,
                an_ingest_begun_anew_forgets_what_it_had,
                what_is_told_later_wins,
                a_blob_that_is_here_is_not_written_again,
                an_aborted_ingest_is_gone,
                an_ingest_that_is_held_cannot_be_aborted,
                a_committed_writer_is_done,
                ingests_are_listed_by_ref,
            ]
        );
    };
}

pub async fn a_ref_has_one_writer(s: &Services) {
    let scope = room();
    let writer = open(&*s.content, &scope, "one").await.unwrap();
    refused(open(&*s.content, &scope, "one").await, Kind::Unavailable);
    let other = open(&*s.content, &scope, "two").await.unwrap();
    drop((writer, other));
    let mut again = open(&*s.content, &scope, "one").await.unwrap();
    again.write(Bytes::from_static(b"x")).await.unwrap();
    refused(open(&*s.content, &scope, "one").await, Kind::Unavailable);
    drop(again);
    assert_eq!(open(&*s.content, &scope, "one").await.unwrap().status().offset, 1);
}

pub async fn a_ref_is_each_namespaces_own(s: &Services) {
    let (here, there) = (room(), room());
    let mut writer = open(&*s.content, &here, "same").await.unwrap();
    writer.write(Bytes::from_static(b"here")).await.unwrap();
    let other = open(&*s.content, &there, "same").await.unwrap();
    assert_eq!(other.status().offset, 0);
    drop((writer, other));
    s.content.abort(&there, "same").await.unwrap();
    assert_eq!(s.content.status(&here, "same").await.unwrap().offset, 4);
}

pub async fn an_ingest_needs_a_ref(s: &Services) {
    refused(open(&*s.content, &room(), "").await, Kind::InvalidArgument);
}

pub async fn the_status_tells_every_byte_taken(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(256));
    let before = time::now();
    let open = OpenWriter { ingest: "u".into(), total: 256, expected: Some(digest) };
    let mut writer = s.content.writer(&scope, open).await.unwrap();
    let started = (before, time::now());
    assert_eq!(writer.digest().await.unwrap(), Digest::of(b""));
    assert_eq!(writer.status().offset, 0);
    for (piece, end) in [(0..64, 64), (64..192, 192), (192..256, 256)] {
        let before = time::now();
        writer.write(bytes.slice(piece)).await.unwrap();
        let updated = (before, time::now());
        for status in [writer.status(), s.content.status(&scope, "u").await.unwrap()] {
            assert_eq!((status.ingest.as_str(), status.offset, status.total), ("u", end, 256));
            assert_eq!(status.expected, Some(digest));
            between(status.started_at, started);
            between(status.updated_at, updated);
        }
        assert_eq!(writer.digest().await.unwrap(), Digest::of(&bytes[..end as usize]));
    }
    writer.commit(Commit::default()).await.unwrap();
    refused(s.content.status(&scope, "u").await, Kind::NotFound);
}

pub async fn an_ingest_outlives_its_writer_and_keeps_its_times(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(256));
    let open = OpenWriter { ingest: "cb".into(), total: 256, expected: Some(digest) };
    let mut first = s.content.writer(&scope, open.clone()).await.unwrap();
    first.write(bytes.slice(..128)).await.unwrap();
    let left = first.status();
    drop(first);
    assert_eq!(s.content.status(&scope, "cb").await.unwrap(), left);

    let mut second = s.content.writer(&scope, open).await.unwrap();
    assert_eq!(second.status(), left);
    assert_eq!(second.digest().await.unwrap(), Digest::of(&bytes[..128]));
    second.write(bytes.slice(128..)).await.unwrap();
    assert_eq!(second.status().started_at, left.started_at);
    assert_eq!(second.commit(Commit::default()).await.unwrap(), digest);
    assert_eq!(get(&*s.content, &scope, &digest).await, bytes);
}

pub async fn an_ingest_is_resumed_wherever_it_was_left(s: &Services) {
    let scope = room();
    for size in [500, 5000, 50_000] {
        for left in [0, size / 10, size / 2, size * 9 / 10, size] {
            let (bytes, digest) = blob(size);
            let name = format!("resume-{size}-{left}");
            let mut writer = expect(&*s.content, &scope, &name, digest).await.unwrap();
            writer.write(bytes.slice(..left)).await.unwrap();
            drop(writer);
            let mut writer = expect(&*s.content, &scope, &name, digest).await.unwrap();
            assert_eq!(writer.status().offset, left as u64);
            for piece in bytes[left..].chunks(1024) {
                writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            let commit = Commit { size: size as u64, expected: Some(digest), ..Commit::default() };
            writer.commit(commit).await.unwrap();
            assert!(get(&*s.content, &scope, &digest).await == bytes, "{name}");
        }
    }
}

pub async fn an_ingest_begun_anew_forgets_what_it_had(s: &Services) {
    let scope = room();
    for left in [0, 1, 700, 1000] {
        let ((junk, _), (bytes, digest)) = (blob(1000), blob(1000));
        let name = format!("anew-{left}");
        let mut writer = open(&*s.content, &scope, &name).await.unwrap();
        writer.write(junk.slice(..left)).await.unwrap();
        drop(writer);
        let mut writer = expect(&*s.content, &scope, &name, digest).await.unwrap();
        writer.truncate(0).await.unwrap();
        assert_eq!(writer.status().offset, 0);
        assert_eq!(writer.digest().await.unwrap(), Digest::of(b""));
        writer.write(bytes.clone()).await.unwrap();
        assert_eq!(writer.commit(Commit::default()).await.unwrap(), digest);
        assert_eq!(get(&*s.content, &scope, &digest).await, bytes);
    }
}

pub async fn what_is_told_later_wins(s: &Services) {
    let (scope, (bytes, digest), (_, wrong)) = (room(), blob(64), blob(64));
    let with = |total, expected| OpenWriter { ingest: "r".into(), total, expected };
    drop(s.content.writer(&scope, with(7, Some(wrong))).await.unwrap());
    let mut writer = s.content.writer(&scope, with(0, None)).await.unwrap();
    assert_eq!((writer.status().total, writer.status().expected), (7, Some(wrong)));
    writer.write(bytes).await.unwrap();
    drop(writer);
    let writer = s.content.writer(&scope, with(64, Some(digest))).await.unwrap();
    assert_eq!((writer.status().total, writer.status().expected), (64, Some(digest)));
    drop(writer);
    let mut writer = s.content.writer(&scope, with(9, Some(wrong))).await.unwrap();
    let commit = Commit { size: 64, expected: Some(digest), ..Commit::default() };
    assert_eq!(writer.commit(commit).await.unwrap(), digest);
}

pub async fn a_blob_that_is_here_is_not_written_again(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(256));
    let mut writer = open(&*s.content, &scope, "begun").await.unwrap();
    writer.write(bytes.slice(..100)).await.unwrap();
    drop(writer);
    put(&*s.content, &scope, &bytes, Labels::new()).await;
    refused(expect(&*s.content, &scope, "begun", digest).await, Kind::AlreadyExists);
    refused(s.content.status(&scope, "begun").await, Kind::NotFound);
}

pub async fn an_aborted_ingest_is_gone(s: &Services) {
    let scope = room();
    refused(s.content.abort(&scope, "gone").await, Kind::NotFound);
    let mut writer = open(&*s.content, &scope, "gone").await.unwrap();
    writer.write(Bytes::from_static(b"some")).await.unwrap();
    drop(writer);
    s.content.abort(&scope, "gone").await.unwrap();
    refused(s.content.status(&scope, "gone").await, Kind::NotFound);
    refused(s.content.abort(&scope, "gone").await, Kind::NotFound);
    assert_eq!(open(&*s.content, &scope, "gone").await.unwrap().status().offset, 0);
}

pub async fn an_ingest_that_is_held_cannot_be_aborted(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(32));
    let mut writer = open(&*s.content, &scope, "held").await.unwrap();
    writer.write(bytes).await.unwrap();
    refused(s.content.abort(&scope, "held").await, Kind::Unavailable);
    assert_eq!(writer.commit(Commit::default()).await.unwrap(), digest);
}

pub async fn a_committed_writer_is_done(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(32));
    let mut writer = open(&*s.content, &scope, "done").await.unwrap();
    writer.write(bytes.clone()).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    assert!(writer.write(bytes.clone()).await.is_err());
    assert!(writer.commit(Commit::default()).await.is_err());
    assert_eq!(get(&*s.content, &scope, &digest).await, bytes);
    // And does not stand in the way of the next one, not even while it is being dropped.
    let next = open(&*s.content, &scope, "done").await.unwrap();
    drop(writer);
    refused(open(&*s.content, &scope, "done").await, Kind::Unavailable);
    drop(next);
}

pub async fn ingests_are_listed_by_ref(s: &Services) {
    let scope = room();
    for name in ["b", "layer-sha256:aa", "a"] {
        drop(open(&*s.content, &scope, name).await.unwrap());
    }
    for (texts, wanted) in [
        (vec![], vec!["a", "b", "layer-sha256:aa"]),
        (vec!["ref==b"], vec!["b"]),
        (vec!["ref~=^layer-"], vec!["layer-sha256:aa"]),
        (vec!["ref==a", "ref==b"], vec!["a", "b"]),
    ] {
        let statuses = s.content.list_statuses(&scope, &filters(&texts)).await.unwrap();
        let refs: Vec<_> = statuses.iter().map(|status| status.ingest.as_str()).collect();
        assert_eq!(refs, wanted, "{texts:?}");
    }
    refused(s.content.status(&scope, "c").await, Kind::NotFound);
}
