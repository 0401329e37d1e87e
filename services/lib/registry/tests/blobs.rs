//! Blobs against every fault of a body: what is survived by asking again, and what is refused.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use std::time::Duration;

use bytes::Bytes;
use varve_core::{Descriptor, Error, Kind};
use varve_registry::testsuite::{Fault, On, Rule, TestRegistry};
use varve_registry::{Budget, Client, Config, Repository};

const REPO: &str = "lab/app";

fn bytes(len: usize) -> Bytes {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn with(
    len: usize,
    rules: impl IntoIterator<Item = Rule>,
) -> (TestRegistry, Repository, Descriptor) {
    let registry = TestRegistry::start().await;
    let blob = registry.push_blob(REPO, bytes(len));
    registry.faults(rules);
    let client = Client::new(Config::impatient());
    let repository = client.repository(registry.address(), REPO, false, &[]).unwrap();
    (registry, repository, blob)
}

/// Reads as the fetcher does: resumes where the last attempt broke, or begins anew.
async fn read(repository: &Repository, blob: &Descriptor, from: usize) -> Result<Bytes, Error> {
    let mut budget = repository.budget();
    let mut have = bytes(from).to_vec();
    loop {
        match attempt(repository, blob, &mut have, &mut budget).await {
            Ok(()) => return Ok(have.into()),
            Err(failure) => budget.survive(failure).await?,
        }
    }
}

async fn attempt(
    repository: &Repository,
    blob: &Descriptor,
    have: &mut Vec<u8>,
    budget: &mut Budget,
) -> Result<(), varve_registry::Failure> {
    let mut stream = repository.blob(blob, have.len() as u64, budget).await?;
    have.truncate(usize::try_from(stream.start()).unwrap());
    while let Some(chunk) = stream.chunk().await? {
        have.extend_from_slice(&chunk);
        budget.reached(have.len() as u64);
    }
    Ok(())
}

#[tokio::test]
async fn a_blob_is_read_whole_and_from_an_offset() {
    let (registry, repository, blob) = with(300_000, []).await;
    assert_eq!(read(&repository, &blob, 0).await.unwrap(), bytes(300_000));
    assert_eq!(read(&repository, &blob, 299_999).await.unwrap(), bytes(300_000));
    let asked = registry.requests();
    assert_eq!((asked[0].range.as_deref(), asked[0].bytes), (None, 300_000));
    assert_eq!((asked[1].range.as_deref(), asked[1].bytes), (Some("bytes=299999-"), 1));
    assert_eq!(asked[0].headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn a_body_that_is_cut_is_resumed_where_it_broke() {
    let cut = Rule::new(On::Blobs, Fault::Cut(1000)).times(2);
    let (registry, repository, blob) = with(5000, [cut]).await;
    assert_eq!(read(&repository, &blob, 0).await.unwrap(), bytes(5000));
    let ranges: Vec<_> = registry.requests().into_iter().map(|asked| asked.range).collect();
    assert_eq!(ranges, [None, Some("bytes=1000-".into()), Some("bytes=2000-".into())]);
}

#[tokio::test]
async fn a_body_that_is_cut_again_and_again_ends_with_what_came() {
    let (registry, repository, blob) = with(5000, [Rule::new(On::Blobs, Fault::Cut(0))]).await;
    let error = read(&repository, &blob, 0).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.chain().contains("failed 4 times"), "{}", error.chain());
    assert_eq!(registry.requests().len(), 4);
}

#[tokio::test]
async fn a_registry_that_ignores_range_is_read_from_the_start() {
    let (_registry, repository, blob) =
        with(5000, [Rule::new(On::Blobs, Fault::IgnoreRange)]).await;
    let mut budget = repository.budget();
    assert_eq!(repository.blob(&blob, 1000, &mut budget).await.unwrap().start(), 0);
    assert_eq!(read(&repository, &blob, 1000).await.unwrap(), bytes(5000));
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_never_taken_for_the_one_that_was() {
    for range in
        ["bytes 0-3999/5000", "bytes 1000-4999/6000", "bytes 1000-6000/*", "bytes */5000", "x"]
    {
        let rule = Rule::new(On::Blobs, Fault::ContentRange(range.into())).times(1);
        let (registry, repository, blob) = with(5000, [rule]).await;
        assert_eq!(read(&repository, &blob, 1000).await.unwrap(), bytes(5000), "{range}");
        assert_eq!(registry.requests()[1].range, None, "{range}");
    }
}

#[tokio::test]
async fn a_part_of_unknown_total_is_taken() {
    let rule = Rule::new(On::Blobs, Fault::ContentRange("bytes 1000-4999/*".into()));
    let (registry, repository, blob) = with(5000, [rule]).await;
    assert_eq!(read(&repository, &blob, 1000).await.unwrap(), bytes(5000));
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_range_that_cannot_be_satisfied_is_asked_for_as_a_whole() {
    let status = Rule::new(On::Blobs, Fault::Status(416, None)).times(1);
    let (registry, repository, blob) = with(5000, [status]).await;
    assert_eq!(read(&repository, &blob, 1000).await.unwrap(), bytes(5000));
    assert_eq!(registry.requests().len(), 2);
}

#[tokio::test]
async fn a_body_without_end_is_left_at_the_first_byte_too_many() {
    let (registry, repository, blob) = with(5000, [Rule::new(On::Blobs, Fault::Endless)]).await;
    let error = read(&repository, &blob, 0).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert!(error.message().contains("more than the 5000 bytes"), "{error}");
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_length_beyond_the_descriptors_is_refused_before_the_first_byte() {
    let (_registry, repository, mut blob) = with(5000, []).await;
    blob.size = 4999;
    let mut budget = repository.budget();
    let error = repository.blob(&blob, 0, &mut budget).await.err().unwrap();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
}

#[tokio::test]
async fn a_blob_shorter_than_its_descriptor_is_told_as_cut() {
    let (_registry, repository, mut blob) = with(5000, []).await;
    blob.size = 5001;
    let error = read(&repository, &blob, 0).await.unwrap_err();
    assert!(error.chain().contains("of 5001 bytes"), "{}", error.chain());
}

#[tokio::test]
async fn a_length_that_is_not_the_bodys_is_survived() {
    let lie = Rule::new(On::Blobs, Fault::Length(2000)).times(1);
    let (_registry, repository, blob) = with(5000, [lie]).await;
    assert_eq!(read(&repository, &blob, 0).await.unwrap(), bytes(5000));
}

#[tokio::test]
async fn a_body_that_stalls_is_left_after_the_limit_and_resumed() {
    let stall = Rule::new(On::Blobs, Fault::Stall(1000)).times(1);
    let (registry, repository, blob) = with(5000, [stall]).await;
    let began = std::time::Instant::now();
    assert_eq!(read(&repository, &blob, 0).await.unwrap(), bytes(5000));
    assert!(began.elapsed() >= Config::impatient().stall);
    assert_eq!(registry.requests()[1].range.as_deref(), Some("bytes=1000-"));
}

#[tokio::test]
async fn a_slow_body_is_no_stalled_one() {
    let slow = Rule::new(On::Blobs, Fault::Slow(200, Duration::from_millis(60)));
    let (registry, repository, blob) = with(4000, [slow]).await;
    let began = std::time::Instant::now();
    assert_eq!(read(&repository, &blob, 0).await.unwrap(), bytes(4000));
    assert!(began.elapsed() > Config::impatient().stall);
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_byte_now_and_then_is_a_stall() {
    let drip = Rule::new(On::Blobs, Fault::Slow(1, Duration::from_millis(50)));
    let (registry, repository, blob) = with(3000, [drip]).await;
    let error = read(&repository, &blob, 0).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert_eq!(registry.requests().len(), 4);
}

#[tokio::test]
async fn a_registry_that_makes_us_begin_again_is_not_followed_for_ever() {
    let (_registry, repository, mut blob) = with(2 << 20, []).await;
    blob.size += 1;
    let reading = read(&repository, &blob, 0);
    let error = tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[tokio::test]
async fn busy_and_broken_registries_are_asked_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let busy = Rule::new(On::Blobs, Fault::Status(status, None)).times(2);
        let (registry, repository, blob) = with(10, [busy]).await;
        assert_eq!(read(&repository, &blob, 0).await.unwrap(), bytes(10), "{status}");
        assert_eq!(registry.requests().len(), 3, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_kept_to() {
    let busy = Rule::new(On::Blobs, Fault::Status(429, Some("1".into()))).times(1);
    let (_registry, repository, blob) = with(10, [busy]).await;
    let began = std::time::Instant::now();
    assert_eq!(read(&repository, &blob, 0).await.unwrap(), bytes(10));
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_retry_after_beyond_the_budget_is_told_at_once() {
    let busy = Rule::new(On::Blobs, Fault::Status(429, Some("3600".into())));
    let (registry, repository, blob) = with(10, [busy]).await;
    let error = read(&repository, &blob, 0).await.unwrap_err();
    assert!(error.message().contains("3600 s"), "{error}");
    assert!(error.chain().contains("too many requests"), "{}", error.chain());
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn a_missing_blob_is_not_found_and_not_asked_for_again() {
    let (registry, repository, mut blob) = with(10, []).await;
    blob.digest = varve_core::Digest::of(b"another");
    let error = read(&repository, &blob, 0).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.message().ends_with("not found: blob unknown to registry"), "{error}");
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn no_more_bodies_are_open_at_a_host_than_its_limit() {
    let (registry, repository, blob) = with(10, []).await;
    let client = Client::new(Config { per_host: 2, ..Config::impatient() });
    let narrow = client.repository(registry.address(), REPO, false, &[]).unwrap();
    let (mut one, mut two, mut three) = (narrow.budget(), narrow.budget(), narrow.budget());
    let first = narrow.blob(&blob, 0, &mut one).await.unwrap();
    let _second = narrow.blob(&blob, 0, &mut two).await.unwrap();
    let third = narrow.blob(&blob, 0, &mut three);
    tokio::pin!(third);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut third).await.is_err());
    drop(first);
    assert!(third.await.is_ok());
    drop(repository);
}
