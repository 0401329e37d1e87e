//! A blob's way into the content store, past every fault that a registry can have.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

mod mirrors;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use varve_core::content::{Content, OpenWriter};
use varve_core::leases::Leases;
use varve_core::remotes::{Event, Fetched, Fetcher, Progress, Remote, ingest_ref};
use varve_core::testsuite::memory::Store;
use varve_core::{Descriptor, Digest, Error, Kind, MediaType, Scope};
use varve_fetcher::{Config, Dependencies};
use varve_registry::Client;
use varve_registry::testsuite::{Fault, On, Rule, TestRegistry};

const REPO: &str = "lab/app";
const SIZE: usize = 700_000;

struct House {
    registry: TestRegistry,
    store: Store,
    fetcher: Arc<dyn Fetcher>,
    blob: Descriptor,
    scope: Scope,
}

fn bytes() -> Bytes {
    (0..SIZE).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn house(rules: impl IntoIterator<Item = Rule>) -> House {
    let registry = TestRegistry::start().await;
    let mut blob = registry.push_blob(REPO, bytes());
    blob.media_type = "application/vnd.oci.image.layer.v1.tar+gzip".into();
    registry.faults(rules);
    let store = Store::new();
    let fetcher = fetcher(&store);
    House { registry, store, fetcher, blob, scope: Scope::default() }
}

fn fetcher(store: &Store) -> Arc<dyn Fetcher> {
    fetcher_of(store, Client::new(varve_registry::Config::impatient()))
}

fn fetcher_of(store: &Store, registry: Client) -> Arc<dyn Fetcher> {
    let dependencies = Dependencies { content: Arc::new(store.clone()), registry };
    Arc::new(varve_fetcher::open(Config::default(), dependencies))
}

impl House {
    fn remote(&self) -> Remote {
        Remote::anonymous(self.registry.reference(REPO, "1").parse().unwrap())
    }

    async fn fetch(&self) -> Result<Fetched, Error> {
        self.fetch_in(&self.scope, Progress::ignored()).await
    }

    async fn fetch_in(&self, scope: &Scope, progress: Progress) -> Result<Fetched, Error> {
        self.fetcher.fetch(scope, &self.remote(), &self.blob, progress).await
    }

    async fn check(&self) {
        let reader = self.store.reader(&self.scope, &self.blob.digest).await.unwrap();
        assert_eq!(reader.read_all(1 << 20).await.unwrap(), bytes());
        let left = self.store.list_statuses(&self.scope, &[]).await.unwrap();
        assert_eq!(left, [], "an ingest is left over");
    }

    async fn offset(&self) -> Option<u64> {
        Some(self.store.status(&self.scope, &ingest_ref(&self.blob)).await.ok()?.offset)
    }

    /// Leaves an ingest of the first `len` bytes of `of`.
    async fn leave(&self, of: &[u8], len: usize) {
        let mut writer = self.writer().await;
        writer.write(Bytes::copy_from_slice(&of[..len])).await.unwrap();
    }

    async fn writer(&self) -> Box<dyn varve_core::content::Writer> {
        let open = OpenWriter {
            ingest: ingest_ref(&self.blob),
            total: self.blob.size,
            expected: Some(self.blob.digest),
        };
        self.store.writer(&self.scope, open).await.unwrap()
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.registry.requests().into_iter().map(|asked| asked.range).collect()
    }
}

fn blobs(fault: Fault) -> Rule {
    Rule::new(On::Blobs, fault)
}

const WHOLE: Fetched = Fetched { reused: false, downloaded: SIZE as u64, resumed_at: 0 };

#[tokio::test]
async fn a_blob_is_fetched_and_the_second_time_it_is_there() {
    let house = house([]).await;
    assert_eq!(house.fetch().await.unwrap(), WHOLE);
    house.check().await;
    let again = house.fetch().await.unwrap();
    assert_eq!(again, Fetched { reused: true, downloaded: 0, resumed_at: 0 });
    assert_eq!(house.registry.requests().len(), 1);
}

#[tokio::test]
async fn a_blob_says_where_it_came_from() {
    let house = house([]).await;
    house.fetch().await.unwrap();
    let labels = house.store.info(&house.scope, &house.blob.digest).await.unwrap().labels;
    let key = format!("containerd.io/distribution.source.{}", house.registry.address());
    assert_eq!(labels.get(&key).map(String::as_str), Some(REPO));
}

#[tokio::test]
async fn an_ingest_that_is_left_over_is_resumed_by_range() {
    let house = house([]).await;
    house.leave(&bytes(), 400_000).await;
    let fetched = house.fetch().await.unwrap();
    assert_eq!(fetched, Fetched { reused: false, downloaded: 300_000, resumed_at: 400_000 });
    assert_eq!(house.ranges(), [Some("bytes=400000-".into())]);
    house.check().await;
}

#[tokio::test]
async fn an_ingest_that_has_all_but_its_commit_needs_no_registry() {
    let house = house([]).await;
    house.leave(&bytes(), SIZE).await;
    assert_eq!(house.fetch().await.unwrap().downloaded, 0);
    assert_eq!(house.registry.requests().len(), 0);
    house.check().await;
}

#[tokio::test]
async fn an_ingest_with_other_bytes_is_found_out_and_begun_anew() {
    let house = house([]).await;
    house.leave(&[7; SIZE], 400_000).await;
    house.fetch().await.unwrap();
    assert_eq!(house.ranges(), [Some("bytes=400000-".into()), None]);
    house.check().await;
}

#[tokio::test]
async fn a_registry_that_ignores_range_is_read_from_the_start() {
    let house = house([blobs(Fault::IgnoreRange)]).await;
    house.leave(&bytes(), 400_000).await;
    assert_eq!(house.fetch().await.unwrap(), WHOLE);
    house.check().await;
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_not_written() {
    let house = house([blobs(Fault::ContentRange("bytes 0-299999/700000".into())).times(1)]).await;
    house.leave(&bytes(), 400_000).await;
    assert_eq!(house.fetch().await.unwrap(), WHOLE);
    house.check().await;
}

#[tokio::test]
async fn cuts_stalls_and_busy_answers_are_survived_and_told() {
    let cut = 200_000;
    let rules = [
        blobs(Fault::Cut(cut)).times(1),
        blobs(Fault::Stall(cut)).after(1).times(1),
        blobs(Fault::Status(503, None)).after(2).times(1),
    ];
    let house = house(rules).await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let progress = Progress::new(move |event| heard.lock().unwrap().push(event));
    let fetched = house.fetch_in(&house.scope, progress).await.unwrap();
    assert_eq!(fetched, WHOLE);
    house.check().await;
    let resumed = |at: u64| Some(format!("bytes={at}-"));
    assert_eq!(house.ranges(), [None, resumed(cut), resumed(2 * cut), resumed(2 * cut)]);
    let events = events.lock().unwrap();
    let retries: Vec<_> =
        events.iter().filter(|event| matches!(event, Event::Retrying { .. })).collect();
    assert_eq!(retries.len(), 3);
    assert_eq!(events.last(), Some(&Event::At(SIZE as u64)));
}

#[tokio::test]
async fn a_download_that_breaks_for_good_is_kept_and_says_so() {
    let house = house([blobs(Fault::Cut(300_000)).times(1), blobs(Fault::Cut(0)).after(1)]).await;
    let error = house.fetch().await.unwrap_err();
    let text = error.chain();
    assert_eq!(error.kind(), Kind::Unavailable);
    for part in [&*house.blob.digest.to_string(), "pull again to resume", "failed 4 times"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(house.offset().await, Some(300_000));
    house.registry.faults([]);
    assert_eq!(house.fetch().await.unwrap().resumed_at, 300_000);
    house.check().await;
}

#[tokio::test]
async fn other_bytes_are_never_a_blob_and_nothing_of_them_is_left() {
    let house = house([blobs(Fault::OtherBytes)]).await;
    let error = house.fetch().await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert!(error.chain().contains("unexpected commit digest"), "{}", error.chain());
    assert!(house.store.info(&house.scope, &house.blob.digest).await.is_err());
    assert_eq!(house.offset().await, None);
    assert_eq!(house.registry.requests().len(), 2);
}

#[tokio::test]
async fn other_bytes_once_are_survived() {
    let house = house([blobs(Fault::OtherBytes).times(1)]).await;
    house.fetch().await.unwrap();
    house.check().await;
}

#[tokio::test]
async fn a_body_without_end_is_left_at_the_first_byte_too_many() {
    let house = house([blobs(Fault::Endless)]).await;
    let error = house.fetch().await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert_eq!(house.offset().await, None);
    assert_eq!(house.registry.requests().len(), 1);
}

#[tokio::test]
async fn a_blob_of_another_size_than_its_manifest_says_is_refused() {
    for wrong in [SIZE as u64 - 1, SIZE as u64 + 1, 1 << 62] {
        let mut house = house([]).await;
        house.blob.size = wrong;
        assert!(house.fetch().await.is_err(), "{wrong}");
        house.blob.size = SIZE as u64;
        house.fetch().await.unwrap();
        house.blob.size = wrong;
        let error = house.fetch().await.unwrap_err();
        assert_eq!(error.kind(), Kind::FailedPrecondition, "{wrong}");
    }
}

#[tokio::test]
async fn a_missing_blob_names_the_image() {
    let mut house = house([]).await;
    house.blob.digest = Digest::of(b"another");
    let error = house.fetch().await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.message().contains(&house.registry.reference(REPO, "1")), "{error}");
    assert!(error.message().starts_with("layer sha256:"), "{error}");
}

#[tokio::test]
async fn an_empty_blob_needs_no_registry() {
    let mut house = house([]).await;
    house.blob = Descriptor::new("text/plain".into(), Digest::of(b""), 0);
    assert_eq!(house.fetch().await.unwrap().downloaded, 0);
    assert_eq!(house.registry.requests().len(), 0);
    assert!(house.store.info(&house.scope, &house.blob.digest).await.is_ok());
}

#[tokio::test]
async fn manifests_are_fetched_where_registries_keep_them() {
    let mut house = house([]).await;
    let text = r#"{"schemaVersion":2}"#;
    let digest = house.registry.push_manifest(REPO, None, &MediaType::DockerManifest, text);
    house.blob = Descriptor::new(MediaType::DockerManifest, digest, text.len() as u64);
    house.fetch().await.unwrap();
    let asked = &house.registry.requests()[0];
    assert!(asked.path.contains("/manifests/"), "{}", asked.path);
    assert_eq!(asked.headers["accept"], MediaType::DockerManifest.as_str());
}

#[tokio::test]
async fn a_blob_asked_for_by_many_is_downloaded_once_and_all_hear_of_it() {
    let house = Arc::new(house([blobs(Fault::Slow(100_000, Duration::from_millis(10)))]).await);
    let other = Scope::of("other".parse().unwrap());
    let mut tasks = Vec::new();
    for number in 0..8 {
        let (house, other) = (Arc::clone(&house), other.clone());
        tasks.push(tokio::spawn(async move {
            let heard = Arc::new(Mutex::new(0));
            let count = Arc::clone(&heard);
            let progress = Progress::new(move |_| *count.lock().unwrap() += 1);
            let scope = if number % 2 == 0 { &house.scope } else { &other };
            let fetched = house.fetch_in(scope, progress).await.unwrap();
            let heard = *heard.lock().unwrap();
            (fetched.downloaded, heard)
        }));
    }
    let mut downloads = 0;
    for task in tasks {
        let (downloaded, heard) = task.await.unwrap();
        downloads += usize::from(downloaded > 0);
        assert!(heard > 1, "told of {heard} events");
    }
    assert_eq!(downloads, 1);
    assert_eq!(house.registry.requests().len(), 1);
    house.check().await;
    assert!(house.store.info(&other, &house.blob.digest).await.is_ok());
}

#[tokio::test]
async fn a_fetch_that_is_dropped_leaves_what_came_and_the_next_in_line_goes_on() {
    let house = house([blobs(Fault::Slow(150_000, Duration::from_millis(50))).times(1)]).await;
    let begun = Arc::new(tokio::sync::Notify::new());
    let ring = Arc::clone(&begun);
    let progress = Progress::new(move |event| {
        if matches!(event, Event::At(at) if at > 0) {
            ring.notify_one();
        }
    });
    tokio::select! {
        done = house.fetch_in(&house.scope, progress) => panic!("{done:?}"),
        () = begun.notified() => {}
    }
    let kept = house.offset().await.unwrap();
    assert!(kept > 0 && kept < SIZE as u64, "{kept}");
    assert_eq!(house.fetch().await.unwrap().resumed_at, kept);
    assert_eq!(house.ranges()[1], Some(format!("bytes={kept}-")));
    house.check().await;
}

#[tokio::test]
async fn a_ref_that_another_process_holds_is_waited_for() {
    let house = house([]).await;
    let mut theirs = house.writer().await;
    let ours = house.fetch();
    tokio::pin!(ours);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut ours).await.is_err());
    theirs.write(bytes().slice(..500_000)).await.unwrap();
    drop(theirs);
    let began = Instant::now();
    assert_eq!(ours.await.unwrap().resumed_at, 500_000);
    assert!(began.elapsed() < Duration::from_secs(3));
    house.check().await;
}

#[tokio::test]
async fn a_ref_that_nobody_moves_is_not_waited_for_without_end() {
    let house = house([]).await;
    let registry = Client::new(varve_registry::Config {
        patience: Duration::from_millis(300),
        ..varve_registry::Config::impatient()
    });
    let dependencies = Dependencies { content: Arc::new(house.store.clone()), registry };
    let hasty = varve_fetcher::open(Config::default(), dependencies);
    let _theirs = house.writer().await;
    let error = hasty
        .fetch(&house.scope, &house.remote(), &house.blob, Progress::ignored())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.chain().contains("nothing moved"), "{}", error.chain());
}

#[tokio::test]
async fn a_lease_gets_what_was_fetched_and_what_was_there() {
    let house = house([]).await;
    let mut ids = Vec::new();
    for id in ["first", "second"] {
        let namespace = Scope::default();
        house.store.create(&namespace, id, &Default::default()).await.unwrap();
        house.fetch_in(&namespace.leased(id), Progress::ignored()).await.unwrap();
        let held = house.store.list_resources(&namespace, id).await.unwrap();
        ids.push(held.iter().any(|resource| resource.id == house.blob.digest.to_string()));
    }
    assert_eq!(ids, [true, true]);
}
