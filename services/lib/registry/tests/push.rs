//! Pushing: what is sent, how it goes on after what breaks, and what is said where it cannot.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use varve_core::content::{Commit, Content, OpenWriter, Reader};
use varve_core::remotes::{Credential, Login, Secret};
use varve_core::testsuite::memory::Store;
use varve_core::{Descriptor, Digest, Error, Kind, MediaType, Result, Scope};
use varve_registry::testsuite::{Fault, Gate, On, Record, Rule, TestRegistry};
use varve_registry::{Client, Config, Mounted, Pusher};

const REPO: &str = "lab/app";

/// Bytes that differ from each other, a blob of them in a store.
async fn blob(size: usize) -> (Vec<u8>, Descriptor, Arc<dyn Reader>) {
    let bytes: Vec<u8> = (0..size).map(|n| (n * 31 + n / 251) as u8).collect();
    let (store, scope) = (Store::new(), Scope::default());
    let open = OpenWriter { ingest: "blob".into(), ..OpenWriter::default() };
    let mut writer = store.writer(&scope, open).await.unwrap();
    writer.write(bytes.clone().into()).await.unwrap();
    let digest = writer.commit(Commit::default()).await.unwrap();
    let reader = store.reader(&scope, &digest).await.unwrap();
    let kind = MediaType::from("application/octet-stream");
    (bytes, Descriptor::new(kind, digest, size as u64), reader)
}

async fn pusher(registry: &TestRegistry, config: Config, credentials: &[Credential]) -> Pusher {
    let client = Client::new(config);
    let repository = client.repository(registry.address(), REPO, false, credentials).unwrap();
    repository.pusher().await.unwrap()
}

/// Uploads a blob in parts of `part` bytes; answers what was told of it on the way.
async fn upload(registry: &TestRegistry, size: usize, part: u64) -> Result<Vec<u64>> {
    let (bytes, descriptor, reader) = blob(size).await;
    let config = Config { upload_chunk: part, attempts: 6, ..Config::impatient() };
    let mut budget = Client::new(config.clone()).budget();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let sent: varve_registry::Sent = Arc::new(move |at| tell.lock().unwrap().push(at));
    let pusher = pusher(registry, config, &[]).await;
    pusher.upload(&descriptor, reader, None, sent, &mut budget).await?;
    assert_eq!(registry.blob(REPO, &descriptor.digest).unwrap(), bytes);
    let told = told.lock().unwrap().clone();
    Ok(told)
}

/// `PATCH 0-9`, `POST`: methods, and the ranges that were sent.
fn course(registry: &TestRegistry) -> Vec<String> {
    let line = |asked: &Record| {
        let range = asked.headers.get("content-range").map(|range| range.to_str().unwrap());
        format!("{} {}", asked.method, range.unwrap_or_default()).trim().to_owned()
    };
    registry.requests().iter().filter(|asked| asked.path.contains("/blobs/")).map(line).collect()
}

#[tokio::test]
async fn a_blob_is_sent_in_parts_that_follow_one_another() {
    for location in [None, Some(Rule::new(On::Path("uploads".into()), Fault::AbsoluteLocation))] {
        let registry = TestRegistry::start().await;
        registry.faults(location);
        let told = upload(&registry, 250_000, 100_000).await.unwrap();
        let want = ["POST", "PATCH 0-99999", "PATCH 100000-199999", "PATCH 200000-249999", "PUT"];
        assert_eq!(course(&registry), want);
        assert_eq!(told.last(), Some(&250_000));
        assert!(told.is_sorted(), "{told:?}");
        for asked in registry.requests() {
            assert!(asked.headers.contains_key("content-length"), "{} is chunked", asked.method);
        }
    }
}

#[tokio::test]
async fn an_empty_blob_has_no_part() {
    let registry = TestRegistry::start().await;
    upload(&registry, 0, 100).await.unwrap();
    assert_eq!(course(&registry), ["POST", "PUT"]);
}

#[tokio::test]
async fn an_upload_that_is_cut_off_goes_on_where_the_registry_says_that_it_stopped() {
    let registry = TestRegistry::start().await;
    let cuts = [70_000, 20_000].map(|at| Rule::new(On::Patches, Fault::CutUpload(at)).times(1));
    let [first, second] = cuts;
    registry.faults([first, second.after(1)]);
    upload(&registry, 250_000, 1 << 20).await.unwrap();
    let want = ["POST", "PATCH 0-249999", "GET", "PATCH 70000-249999", "GET", "PATCH 90000-249999"];
    assert_eq!(course(&registry)[..6], want);
    assert_eq!(course(&registry)[6..], ["PUT"]);
}

#[tokio::test]
async fn a_registry_that_takes_nothing_more_is_left_and_asked_again() {
    let registry = TestRegistry::start().await;
    registry.faults([Rule::new(On::Patches, Fault::StallUpload).times(1)]);
    upload(&registry, 8 << 20, 64 << 20).await.unwrap();
    let course = course(&registry);
    assert_eq!((course[0].as_str(), course[2].as_str()), ("POST", "GET"));
    assert!(!course[3].starts_with("PATCH 0-"), "{course:?}");
}

#[tokio::test]
async fn an_upload_that_the_registry_has_lost_is_begun_anew() {
    let registry = TestRegistry::start().await;
    registry.faults([
        Rule::new(On::Patches, Fault::CutUpload(70_000)).times(1),
        Rule::new(On::Path("uploads/1".into()), Fault::Status(404, None)).after(1),
    ]);
    upload(&registry, 250_000, 1 << 20).await.unwrap();
    let want = ["POST", "PATCH 0-249999", "GET", "HEAD", "POST", "PATCH 0-249999", "PUT"];
    assert_eq!(course(&registry), want);
}

#[tokio::test]
async fn an_upload_that_is_gone_because_it_is_done_is_done() {
    let registry = TestRegistry::start().await;
    let (bytes, ..) = blob(250_000).await;
    registry.push_blob(REPO, bytes);
    registry.faults([
        Rule::new(On::Patches, Fault::CutUpload(70_000)).times(1),
        Rule::new(On::Path("uploads/1".into()), Fault::Status(404, None)).after(1),
    ]);
    upload(&registry, 250_000, 1 << 20).await.unwrap();
    assert_eq!(course(&registry), ["POST", "PATCH 0-249999", "GET", "HEAD"]);
}

#[tokio::test]
async fn a_registry_that_takes_no_second_part_gets_all_as_one() {
    let registry = TestRegistry::start().await;
    registry.faults([Rule::new(On::Patches, Fault::Status(416, None)).after(1).times(1)]);
    upload(&registry, 250_000, 100_000).await.unwrap();
    let want = ["POST", "PATCH 0-99999", "PATCH 100000-199999", "POST", "PATCH 0-249999", "PUT"];
    assert_eq!(course(&registry), want);
}

#[tokio::test]
async fn a_part_that_is_too_large_is_made_smaller() {
    let registry = TestRegistry::start().await;
    registry.faults([Rule::new(On::Patches, Fault::MostBytes(2 << 20))]);
    upload(&registry, 5 << 20, 64 << 20).await.unwrap();
    let course = course(&registry);
    assert_eq!(course.iter().filter(|line| line.starts_with("PATCH")).count(), 6, "{course:?}");
    registry.faults([Rule::new(On::Patches, Fault::MostBytes(1000))]);
    let error = upload(&registry, 3 << 20, 64 << 20).await.unwrap_err();
    assert!(error.chain().contains("client_max_body_size"), "{}", error.chain());
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again_and_one_that_stays_so_is_told_of() {
    let registry = TestRegistry::start().await;
    registry.faults([Rule::new(On::Patches, Fault::Status(503, Some("0".into()))).times(2)]);
    upload(&registry, 1000, 1 << 20).await.unwrap();
    registry.faults([Rule::new(On::Patches, Fault::Status(500, None))]);
    let error = upload(&registry, 1000, 1 << 20).await.unwrap_err();
    assert!(error.chain().contains("failed 6 times"), "{}", error.chain());
}

#[tokio::test]
async fn a_registry_that_takes_no_pushes_is_told_as_such() {
    let registry = TestRegistry::start().await;
    registry.faults([Rule::new(On::Path("uploads".into()), Fault::Status(405, None))]);
    let error = upload(&registry, 1000, 1 << 20).await.unwrap_err();
    assert!(error.message().contains("takes no pushes"), "{error}");
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_not_tried_again() {
    struct Broken;
    #[async_trait::async_trait]
    impl Reader for Broken {
        fn size(&self) -> u64 {
            1000
        }
        async fn read_at(&self, _: u64, _: usize) -> Result<bytes::Bytes> {
            Err(Error::data_loss("the disk is gone"))
        }
    }
    let registry = TestRegistry::start().await;
    let (_, descriptor, _) = blob(1000).await;
    let pusher = pusher(&registry, Config::impatient(), &[]).await;
    let mut budget = Client::new(Config::impatient()).budget();
    let (broken, ignored) = (Arc::new(Broken), Arc::new(|_| {}));
    let uploaded = pusher.upload(&descriptor, broken, None, ignored, &mut budget).await;
    assert_eq!(uploaded.unwrap_err().message(), "the disk is gone");
    assert!(course(&registry).iter().all(|asked| asked != "GET"));
}

fn login(registry: &TestRegistry) -> Credential {
    let login = Login::Basic { username: "me".into(), password: Secret::new("hunter2") };
    Credential { host: registry.address().into(), login }
}

#[tokio::test]
async fn a_push_asks_for_a_token_to_write_once_and_anew_where_it_ends() {
    let registry = TestRegistry::start().await;
    registry.guard(Gate::tokens("me", "hunter2"));
    let (bytes, descriptor, reader) = blob(1000).await;
    let pusher = pusher(&registry, Config::impatient(), &[login(&registry)]).await;
    let mut budget = Client::new(Config::impatient()).budget();
    assert!(!pusher.has(&descriptor, &mut budget).await.unwrap());
    let ignored: varve_registry::Sent = Arc::new(|_| {});
    registry.revoke();
    pusher.upload(&descriptor, reader, None, ignored, &mut budget).await.unwrap();
    assert!(pusher.has(&descriptor, &mut budget).await.unwrap());
    assert_eq!(registry.blob(REPO, &Digest::of(&bytes)).unwrap(), bytes);
    let asked = registry.requests();
    let tokens: Vec<_> = asked.iter().filter(|asked| asked.path == "/token").collect();
    assert_eq!(tokens.len(), 2);
    assert!(tokens[0].query.contains("scope=repository%3Alab%2Fapp%3Apull%2Cpush"));
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted_and_else_the_upload_has_begun() {
    let registry = TestRegistry::start().await;
    registry.guard(Gate::tokens("me", "hunter2"));
    let (bytes, descriptor, reader) = blob(1000).await;
    registry.push_blob("lab/other", bytes.clone());
    let pusher = pusher(&registry, Config::impatient(), &[login(&registry)]).await;
    let mut budget = Client::new(Config::impatient()).budget();
    let Mounted::No(Some(begun)) =
        pusher.mount(&descriptor, "lab/none", &mut budget).await.unwrap()
    else {
        panic!("there is no such repository")
    };
    let ignored: varve_registry::Sent = Arc::new(|_| {});
    pusher.upload(&descriptor, reader, Some(begun), ignored, &mut budget).await.unwrap();
    assert_eq!(course(&registry), ["POST", "POST", "PATCH 0-999", "PUT"]);
    let token = registry.requests().into_iter().find(|asked| asked.path == "/token").unwrap();
    assert!(token.query.contains("scope=repository%3Alab%2Fnone%3Apull"), "{}", token.query);
    let (_, again, _) = blob(1000).await;
    let mounted = pusher.mount(&again, "lab/other", &mut budget).await.unwrap();
    assert!(matches!(mounted, Mounted::Yes));
}

#[tokio::test]
async fn a_mount_that_is_refused_is_no_reason_to_stop() {
    let registry = TestRegistry::start().await;
    let (_, descriptor, _) = blob(1000).await;
    registry.faults([Rule::new(On::Path("uploads".into()), Fault::Status(403, None))]);
    let pusher = pusher(&registry, Config::impatient(), &[]).await;
    let mut budget = Client::new(Config::impatient()).budget();
    let mounted = pusher.mount(&descriptor, "lab/other", &mut budget).await.unwrap();
    assert!(matches!(mounted, Mounted::No(None)));
}

#[tokio::test]
async fn a_manifest_is_kept_as_it_is_or_the_push_fails() {
    let registry = TestRegistry::start().await;
    let pusher = pusher(&registry, Config::impatient(), &[]).await;
    let mut budget = Client::new(Config::impatient()).budget();
    let mut put = async |name: &str, bytes: &'static str| {
        let kind = MediaType::OciIndex;
        pusher.manifest(name, &kind, bytes.into(), &mut budget).await
    };
    let index = r#"{"schemaVersion": 2, "manifests": [] }"#;
    put("1", index).await.unwrap();
    registry.faults([Rule::new(On::Manifests, Fault::Digest(Digest::of(b"other").to_string()))]);
    let error = put("1", index).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DataLoss);
    registry.faults([Rule::new(On::Manifests, Fault::Status(409, None))]);
    let error = put("1", index).await.unwrap_err();
    assert!(error.message().contains("its tags may not be moved"), "{error}");
}

#[tokio::test]
async fn a_push_goes_past_a_mirror_unless_that_takes_pushes() {
    let (registry, mirror) = (TestRegistry::start().await, TestRegistry::start().await);
    let hosts = tempfile::tempdir().unwrap();
    let (host, port) = registry.address().split_once(':').unwrap();
    let directory = hosts.path().join(format!("{host}_{port}_"));
    std::fs::create_dir(&directory).unwrap();
    let config = Config { hosts_dirs: vec![hosts.path().into()], ..Config::impatient() };
    for (more, taker) in [("", &registry), ("capabilities = [\"pull\", \"push\"]\n", &mirror)] {
        let text = format!("[host.\"http://{}\"]\n{more}", mirror.address());
        std::fs::write(directory.join("hosts.toml"), text).unwrap();
        let pusher = pusher(&registry, config.clone(), &[]).await;
        let mut budget = Client::new(config.clone()).budget();
        let index = r#"{"schemaVersion": 2, "manifests": []}"#;
        pusher.manifest("1", &MediaType::OciIndex, index.into(), &mut budget).await.unwrap();
        assert_eq!(taker.requests().len(), 1, "{more}");
    }
}

#[tokio::test]
async fn a_registry_that_takes_a_byte_at_a_time_is_not_followed_through_a_layer() {
    let registry = TestRegistry::start().await;
    registry.faults([Rule::new(On::Patches, Fault::Takes(2))]);
    let error = upload(&registry, 100_000, 1 << 20).await.unwrap_err();
    assert!(error.chain().contains("the registry took 2 of"), "{}", error.chain());
    assert!(course(&registry).len() < 20, "{}", course(&registry).len());
    // One that takes less than it is sent, and not little of it, is followed.
    let registry = TestRegistry::start().await;
    registry.faults([Rule::new(On::Patches, Fault::Takes(1 << 20))]);
    upload(&registry, 9 << 20, 4 << 20).await.unwrap();
}

#[tokio::test]
async fn a_registry_gets_its_time_to_hash_what_it_has_been_sent() {
    let registry = TestRegistry::start().await;
    // Longer than the stall limit, and shorter than what it has to settle.
    registry.faults([Rule::new(On::Closings, Fault::Late(Duration::from_millis(1500)))]);
    upload(&registry, 1000, 1 << 20).await.unwrap();
    let closings = course(&registry).into_iter().filter(|line| line.starts_with("PUT")).count();
    assert_eq!(closings, 1, "{:?}", course(&registry));
}

#[tokio::test]
async fn an_upload_that_goes_on_at_another_host_takes_no_login_there() {
    let (registry, other) = (TestRegistry::start().await, TestRegistry::start().await);
    registry.guard(Gate::Basic("me".into(), "hunter2".into()));
    other.guard(Gate::Basic("me".into(), "hunter2".into()));
    let to = format!("http://{}/v2/{REPO}/blobs/uploads/1", other.address());
    registry.faults([Rule::new(On::Path("/uploads/".into()), Fault::Location(to))]);
    let login = Login::Basic { username: "me".into(), password: Secret::new("hunter2") };
    let credential = Credential { host: registry.address().into(), login };
    let (_, descriptor, reader) = blob(1000).await;
    let pusher = pusher(&registry, Config::impatient(), &[credential]).await;
    let mut budget = Client::new(Config::impatient()).budget();
    let sent: varve_registry::Sent = Arc::new(|_| {});
    let error = pusher.upload(&descriptor, reader, None, sent, &mut budget).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PermissionDenied, "{}", error.chain());
    let there = other.requests();
    assert!(!there.is_empty(), "it was asked");
    assert!(there.iter().all(|asked| asked.authorization.is_none()), "{there:?}");
    assert!(there.len() < 20, "{}", there.len());
}

#[tokio::test]
async fn an_upload_is_not_led_to_where_no_redirect_may_lead() {
    let registry = TestRegistry::start().await;
    let to = Fault::Location("gopher://127.0.0.1/x".into());
    registry.faults([Rule::new(On::Path("/uploads/".into()), to)]);
    let error = upload(&registry, 1000, 1 << 20).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition, "{}", error.chain());
}
