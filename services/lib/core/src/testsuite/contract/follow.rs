//! Following: the bytes of a digest from whoever has or writes them, and the truth about their end.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::Services;
use super::kit::{A_WHILE, blob, drain, expect, labels, open, put, refused, room, take};
use crate::content::{Commit, Follower};
use crate::digest::Digest;
use crate::error::{Kind, Result};
use crate::scope::Scope;

/// The promises of [`crate::content::Content::follow`].
#[macro_export]
macro_rules! follow_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            follow_contract,
            follow,
            $fresh,
            [
                a_blob_that_is_here_is_followed_in_pieces,
                a_follower_reads_behind_the_writer,
                a_follower_of_a_resumed_ingest_begins_at_its_start,
                a_follower_waits_for_an_ingest_that_begins_later,
                a_follower_waits_for_a_blob_that_nobody_announced,
                a_follower_hears_a_writer_of_another_namespace,
                a_follower_ends_only_after_the_commit,
                a_follower_outlives_a_change_of_writers,
                many_followers_are_given_the_same,
                a_truncated_ingest_sends_its_followers_back,
                a_dropped_ingest_sends_its_followers_back,
                who_was_sent_back_can_begin_anew,
                a_mismatch_never_ends_as_success,
            ]
        );
    };
}

async fn follow(s: &Services, scope: &Scope, digest: Digest) -> Box<dyn Follower> {
    s.content.follow(scope, &digest).await.expect("anything can be followed")
}

/// Follows to the end in the background.
fn spawn(
    s: &Services,
    scope: &Scope,
    digest: Digest,
) -> tokio::task::JoinHandle<(Vec<u8>, Result<()>)> {
    let (s, scope) = (s.clone(), scope.clone());
    tokio::spawn(async move { drain(&mut *follow(&s, &scope, digest).await).await })
}

pub async fn a_blob_that_is_here_is_followed_in_pieces(s: &Services) {
    let scope = room();
    for size in [0, 1, (3 << 20) + 5] {
        let (bytes, digest) = blob(size);
        put(&*s.content, &scope, &bytes, labels(&[])).await;
        let (mut follower, mut all) = (follow(s, &scope, digest).await, Vec::new());
        while let Some(piece) = follower.next().await.unwrap() {
            assert!(!piece.is_empty() && piece.len() <= 2 << 20, "a piece of {}", piece.len());
            all.extend_from_slice(&piece);
        }
        assert!(all == bytes, "{size}");
    }
}

pub async fn a_follower_reads_behind_the_writer(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(200_000));
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    let mut follower = follow(s, &scope, digest).await;
    for piece in bytes.chunks(50_000) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        // Given before the commit, or this would wait for ever.
        assert_eq!(take(&mut *follower, piece.len()).await, piece);
    }
    writer.commit(Commit::default()).await.unwrap();
    assert!(follower.next().await.unwrap().is_none());
}

pub async fn a_follower_of_a_resumed_ingest_begins_at_its_start(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(3000));
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    writer.write(bytes.slice(..2000)).await.unwrap();
    drop(writer);
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    let mut follower = follow(s, &scope, digest).await;
    assert_eq!(take(&mut *follower, 2000).await, bytes[..2000]);
    writer.write(bytes.slice(2000..)).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    let (rest, end) = drain(&mut *follower).await;
    assert_eq!(rest, bytes[2000..]);
    end.unwrap();
}

pub async fn a_follower_waits_for_an_ingest_that_begins_later(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(5000));
    let task = spawn(s, &scope, digest);
    tokio::time::sleep(A_WHILE).await;
    assert!(!task.is_finished());
    let mut writer = expect(&*s.content, &scope, "later", digest).await.unwrap();
    writer.write(bytes.clone()).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    let (all, end) = task.await.unwrap();
    assert_eq!(all, bytes);
    end.unwrap();
}

pub async fn a_follower_waits_for_a_blob_that_nobody_announced(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(5000));
    let task = spawn(s, &scope, digest);
    tokio::time::sleep(A_WHILE).await;
    put(&*s.content, &scope, &bytes, labels(&[])).await;
    let (all, end) = task.await.unwrap();
    assert_eq!(all, bytes);
    end.unwrap();
}

pub async fn a_follower_hears_a_writer_of_another_namespace(s: &Services) {
    let (here, there, (bytes, digest)) = (room(), room(), blob(5000));
    let mut writer = expect(&*s.content, &there, "r", digest).await.unwrap();
    writer.write(bytes.slice(..4000)).await.unwrap();
    let mut follower = follow(s, &here, digest).await;
    assert_eq!(take(&mut *follower, 4000).await, bytes[..4000]);
    writer.write(bytes.slice(4000..)).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    let (rest, end) = drain(&mut *follower).await;
    assert_eq!(rest, bytes[4000..]);
    end.unwrap();
}

pub async fn a_follower_ends_only_after_the_commit(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(1000));
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    writer.write(bytes.clone()).await.unwrap();
    let mut follower = follow(s, &scope, digest).await;
    assert_eq!(take(&mut *follower, 1000).await, bytes);
    let early = timeout(A_WHILE, follower.next()).await;
    assert!(early.is_err(), "it ended before the commit: {early:?}");
    writer.commit(Commit::default()).await.unwrap();
    assert!(follower.next().await.unwrap().is_none());
}

pub async fn a_follower_outlives_a_change_of_writers(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(9000));
    let task = spawn(s, &scope, digest);
    for piece in bytes.chunks(3000) {
        let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
        drop(writer);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    let (all, end) = task.await.unwrap();
    assert_eq!(all, bytes);
    end.unwrap();
}

pub async fn many_followers_are_given_the_same(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(2 << 20));
    let tasks: Vec<_> = (0..8).map(|_| spawn(s, &scope, digest)).collect();
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    for piece in bytes.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.commit(Commit::default()).await.unwrap();
    for task in tasks {
        let (all, end) = task.await.unwrap();
        assert!(all == bytes);
        end.unwrap();
    }
}

pub async fn a_truncated_ingest_sends_its_followers_back(s: &Services) {
    let (scope, (bytes, digest), (junk, _)) = (room(), blob(1000), blob(600));
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    writer.write(junk).await.unwrap();
    let mut follower = follow(s, &scope, digest).await;
    take(&mut *follower, 600).await;
    writer.truncate(0).await.unwrap();
    writer.write(bytes).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    let (_, end) = drain(&mut *follower).await;
    refused(end, Kind::Aborted);
}

pub async fn a_dropped_ingest_sends_its_followers_back(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(1000));
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    writer.write(bytes.slice(..600)).await.unwrap();
    let mut follower = follow(s, &scope, digest).await;
    take(&mut *follower, 600).await;
    drop(writer);
    s.content.abort(&scope, "r").await.unwrap();
    let (rest, end) = drain(&mut *follower).await;
    refused(end, Kind::Aborted);
    assert!(rest.is_empty());
}

pub async fn who_was_sent_back_can_begin_anew(s: &Services) {
    let (scope, (bytes, digest), (junk, _)) = (room(), blob(1000), blob(600));
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    writer.write(junk).await.unwrap();
    let mut follower = follow(s, &scope, digest).await;
    take(&mut *follower, 600).await;
    writer.truncate(0).await.unwrap();
    refused(drain(&mut *follower).await.1, Kind::Aborted);
    let mut follower = follow(s, &scope, digest).await;
    writer.write(bytes.clone()).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    let (all, end) = drain(&mut *follower).await;
    assert_eq!(all, bytes);
    end.unwrap();
}

pub async fn a_mismatch_never_ends_as_success(s: &Services) {
    let (scope, (bytes, digest), (junk, wrong)) = (room(), blob(1000), blob(1000));
    let mut writer = expect(&*s.content, &scope, "r", digest).await.unwrap();
    writer.write(junk).await.unwrap();
    let mut follower = follow(s, &scope, digest).await;
    take(&mut *follower, 1000).await;
    refused(writer.commit(Commit::default()).await, Kind::FailedPrecondition);
    drop(writer);
    // It may say so at once, or wait for what becomes of the ingest.
    if let Ok(next) = timeout(A_WHILE, follower.next()).await {
        return refused(next, Kind::Aborted);
    }
    // Nor does it when the ingest becomes what it is, and the right bytes come by another way.
    let mut writer = open(&*s.content, &scope, "r").await.unwrap();
    let commit = Commit { expected: Some(wrong), ..Commit::default() };
    writer.commit(commit).await.unwrap();
    put(&*s.content, &scope, &bytes, labels(&[])).await;
    refused(drain(&mut *follower).await.1, Kind::Aborted);
}
