//! Mirrors: who is asked, in which order, with what, and what happens when one fails.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use bytes::Bytes;
use tempfile::TempDir;
use tokio::net::TcpListener;
use varve_core::remotes::{Credential, Login, Secret};
use varve_core::{Descriptor, Digest, Error, Kind, MediaType};
use varve_registry::testsuite::{Fault, Gate, On, Rule, TestRegistry};
use varve_registry::{Budget, Client, Config, Failure, Repository};

const REPO: &str = "lab/app";
const MANIFEST: &str = "{}";
const PULL: &str = r#"capabilities = ["pull"]"#;

/// A registry, a mirror of it that has the same, and the directory that says so.
struct House {
    upstream: TestRegistry,
    mirror: TestRegistry,
    blob: Descriptor,
    directory: TempDir,
    client: Client,
}

fn bytes(len: usize) -> Bytes {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

async fn stocked() -> (TestRegistry, Descriptor) {
    let registry = TestRegistry::start().await;
    registry.push_manifest(REPO, Some("1"), &MediaType::OciManifest, MANIFEST);
    let blob = registry.push_blob(REPO, bytes(5000));
    (registry, blob)
}

/// `keys` are the mirror's in the upstream's hosts.toml.
async fn house(keys: &str) -> House {
    let (upstream, blob) = stocked().await;
    let (mirror, _) = stocked().await;
    let directory = tempfile::tempdir().unwrap();
    let hosts_dirs = vec![directory.path().to_owned()];
    let client = Client::new(Config { hosts_dirs, ..Config::impatient() });
    let house = House { upstream, mirror, blob, directory, client };
    house.write(&format!("[host.\"http://{}\"]\n{keys}", house.mirror.address()));
    house
}

impl House {
    fn write(&self, text: &str) {
        let directory = self.directory.path().join(self.upstream.address());
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("hosts.toml"), text).unwrap();
    }

    fn repository(&self, credentials: &[Credential]) -> Repository {
        self.client.repository(self.upstream.address(), REPO, false, credentials).unwrap()
    }

    async fn head(&self) -> Result<Option<Digest>, Error> {
        let repository = self.repository(&[]);
        Ok(repository.head_manifest("1", &mut repository.budget()).await?.digest)
    }

    async fn read(&self, credentials: &[Credential]) -> Result<Bytes, Error> {
        let repository = self.repository(credentials);
        read(&repository, &self.blob, &mut repository.budget()).await
    }

    /// How many requests the upstream and the mirror have had.
    fn asked(&self) -> (usize, usize) {
        (self.upstream.requests().len(), self.mirror.requests().len())
    }
}

/// As the fetcher does.
async fn read(
    repository: &Repository,
    blob: &Descriptor,
    budget: &mut Budget,
) -> Result<Bytes, Error> {
    let mut have = Vec::new();
    loop {
        match attempt(repository, blob, &mut have, budget).await {
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
) -> Result<(), Failure> {
    let mut stream = repository.blob(blob, have.len() as u64, budget).await?;
    have.truncate(usize::try_from(stream.start()).unwrap());
    while let Some(chunk) = stream.chunk().await? {
        have.extend_from_slice(&chunk);
    }
    Ok(())
}

fn password(host: &str) -> Credential {
    let login = Login::Basic { username: "me".into(), password: Secret::new("hunter2") };
    Credential { host: host.into(), login }
}

fn basic() -> Gate {
    Gate::Basic("me".into(), "hunter2".into())
}

#[tokio::test]
async fn a_mirror_is_asked_first_and_told_what_it_mirrors() {
    let house = house("").await;
    house.head().await.unwrap();
    assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
    assert_eq!(house.asked(), (0, 2));
    let port = house.upstream.address().rsplit(':').next().unwrap();
    let told = format!("ns=127.0.0.1%3A{port}");
    assert!(house.mirror.requests().iter().all(|asked| asked.query == told), "{told}");
}

#[tokio::test]
async fn the_registry_itself_is_never_told_who_it_is() {
    let house = house("").await;
    let server = format!("server = \"http://{}\"", house.upstream.address());
    for text in [&server, ""] {
        house.write(text);
        house.read(&[]).await.unwrap();
    }
    assert_eq!(house.asked(), (2, 0));
    assert!(house.upstream.requests().iter().all(|asked| asked.query.is_empty()));
}

#[tokio::test]
async fn a_tag_is_not_resolved_where_it_may_not_be() {
    let house = house(PULL).await;
    let other = house.mirror.push_manifest(REPO, Some("1"), &MediaType::OciManifest, "{ }");
    assert_eq!(house.head().await.unwrap(), Some(Digest::of(MANIFEST.as_bytes())));
    let repository = house.repository(&[]);
    let tags = repository.tags(&mut repository.budget()).await.unwrap();
    assert_eq!((tags, house.asked()), (vec!["1".to_owned()], (2, 0)));
    // What has a digest is verified, and may come from there.
    let mut budget = repository.budget();
    assert_eq!(repository.manifest(&other.to_string(), &mut budget).await.unwrap().digest, other);
    assert_eq!(house.asked(), (2, 1));
}

#[tokio::test]
async fn where_nobody_may_resolve_the_file_is_named() {
    let house = house(PULL).await;
    house.write(&format!("server = \"http://{}\"\n{PULL}", house.mirror.address()));
    let error = house.head().await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert!(error.message().contains("may resolve: see its hosts.toml"), "{error}");
    assert_eq!(house.asked(), (0, 0));
}

#[tokio::test]
async fn what_a_mirror_does_not_have_or_does_not_give_is_asked_of_the_next() {
    for fault in [Fault::Status(404, None), Fault::Status(503, Some("3600".into()))] {
        let house = house("").await;
        house.mirror.faults([Rule::new(On::Everything, fault)]);
        house.head().await.unwrap();
        assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
        assert_eq!(house.asked(), (2, 2));
    }
}

#[tokio::test]
async fn a_body_that_a_mirror_breaks_off_is_resumed_at_the_next_host() {
    for fault in [Fault::Cut(1000), Fault::Stall(1000)] {
        let house = house("").await;
        house.mirror.faults([Rule::new(On::Blobs, fault)]);
        assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
        assert_eq!(house.asked(), (1, 1));
        assert_eq!(house.upstream.requests()[0].range.as_deref(), Some("bytes=1000-"));
    }
}

#[tokio::test]
async fn a_mirror_does_not_use_up_the_budget() {
    let house = house("").await;
    house.mirror.faults([Rule::new(On::Everything, Fault::Status(503, None))]);
    house.upstream.faults([Rule::new(On::Everything, Fault::Status(503, None)).times(3)]);
    assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
    assert_eq!(house.asked(), (4, 1));
}

#[tokio::test]
async fn a_mirror_that_sends_other_bytes_is_not_asked_for_them_again() {
    let house = house("").await;
    let repository = house.repository(&[]);
    let mut budget = repository.budget();
    house.mirror.faults([Rule::new(On::Everything, Fault::OtherBytes)]);
    assert_ne!(read(&repository, &house.blob, &mut budget).await.unwrap(), bytes(5000));
    budget.survive_deceit(Error::precondition("another digest")).await.unwrap();
    assert_eq!(read(&repository, &house.blob, &mut budget).await.unwrap(), bytes(5000));
    let digest = Digest::of(MANIFEST.as_bytes()).to_string();
    repository.manifest(&digest, &mut repository.budget()).await.unwrap();
    assert_eq!(house.asked(), (2, 2));
}

#[tokio::test]
async fn a_mirror_that_nobody_answers_at_is_left_alone_for_a_while() {
    let house = house("").await;
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    house.write(&format!("[host.\"http://{away}\"]"));
    house.head().await.unwrap();
    // It is back, and nobody looks yet.
    let mirror = TcpListener::bind(away).await.unwrap();
    tokio::select! {
        _ = mirror.accept() => panic!("the mirror is asked again at once"),
        head = house.head() => head.map(drop).unwrap(),
    }
    assert_eq!(house.asked(), (2, 0));
}

#[tokio::test]
async fn without_a_server_to_fall_back_to_the_mirror_is_tried_as_hard_as_any() {
    let house = house("").await;
    house.write(&format!("server = \"http://{}\"", house.mirror.address()));
    house.mirror.faults([Rule::new(On::Everything, Fault::Status(503, None)).times(3)]);
    assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
    assert_eq!(house.asked(), (0, 4));
}

#[tokio::test]
async fn a_login_is_only_sent_to_the_host_that_it_is_for() {
    let house = house("").await;
    house.mirror.guard(basic());
    house.upstream.guard(basic());
    house.read(&[password(house.upstream.address())]).await.unwrap();
    assert!(house.mirror.requests().iter().all(|asked| asked.authorization.is_none()));
    house.read(&[password(house.mirror.address())]).await.unwrap();
    assert!(house.mirror.requests().last().unwrap().authorization.is_some());
    let bare = |gate| {
        house.mirror.guard(gate);
        house.mirror.requests().len()
    };
    let before = bare(Gate::tokens("me", "hunter2"));
    house.read(&[password(house.upstream.address())]).await.unwrap();
    let asked = &house.mirror.requests()[before..];
    assert!(asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
}

#[tokio::test]
async fn the_host_of_a_missing_login_is_named() {
    let house = house("").await;
    house.mirror.guard(basic());
    house.write(&format!("server = \"http://{}\"", house.mirror.address()));
    let error = house.read(&[]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unauthenticated);
    assert_eq!(error.login_at(), Some(house.mirror.address()));
    let wrong = Login::Basic { username: "me".into(), password: Secret::new("wrong") };
    let wrong = Credential { host: house.mirror.address().into(), login: wrong };
    let error = house.read(&[wrong]).await.unwrap_err();
    assert_eq!((error.kind(), error.login_at()), (Kind::Unauthenticated, None));
}

#[tokio::test]
async fn where_the_upstream_fails_too_the_mirrors_login_is_told_of() {
    let house = house("").await;
    house.mirror.guard(basic());
    house.upstream.faults([Rule::new(On::Everything, Fault::Status(404, None))]);
    let error = house.read(&[]).await.unwrap_err();
    assert_eq!((error.kind(), error.login_at()), (Kind::NotFound, Some(house.mirror.address())));
    assert!(error.message().contains("without a login at its mirror"), "{error}");
    house.read(&[password(house.mirror.address())]).await.unwrap();
}

#[tokio::test]
async fn headers_and_paths_of_a_host_are_its_own() {
    let house = house("").await;
    let mirror = format!("http://{}/v2/lab", house.mirror.address());
    let keys = format!("[host.\"{mirror}\"]\noverride_path = true\nheader = {{ x-key = \"k\" }}");
    house.write(&keys);
    let repository = house.client.repository(house.upstream.address(), "app", false, &[]).unwrap();
    let aside = format!("http://{}*", house.upstream.address());
    house.mirror.faults([Rule::new(On::Blobs, Fault::Redirect(aside))]);
    let mut budget = repository.budget();
    assert_eq!(read(&repository, &house.blob, &mut budget).await.unwrap(), bytes(5000));
    assert_eq!(house.mirror.requests()[0].headers["x-key"], "k");
    let elsewhere = &house.upstream.requests()[0];
    assert_eq!(elsewhere.path, house.mirror.requests()[0].path);
    assert!(!elsewhere.headers.contains_key("x-key"));
}

#[tokio::test]
async fn a_namespace_in_an_answer_leads_nowhere() {
    let house = house("").await;
    let digest = house.blob.digest;
    let to = format!("/v2/{REPO}/blobs/{digest}?ns=127.0.0.1:1&x=1");
    house.mirror.faults([Rule::new(On::Blobs, Fault::Redirect(to)).times(1)]);
    assert_eq!(house.read(&[]).await.unwrap(), bytes(5000));
    assert_eq!(house.asked(), (0, 2));
}

#[tokio::test]
async fn a_file_that_is_wrong_stops_the_pull_and_one_that_changes_counts_at_once() {
    let house = house("").await;
    house.write("server = [");
    let error = house.head().await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.message().contains("hosts.toml: line 1"), "{error}");
    house.write("");
    house.head().await.unwrap();
    assert_eq!(house.asked(), (1, 0));
}

#[tokio::test]
async fn tags_come_from_one_host_alone() {
    let house = house("").await;
    house.mirror.push_manifest(REPO, Some("0"), &MediaType::OciManifest, MANIFEST);
    let paged = Rule::new(On::Tags, Fault::PageSize(1));
    house.mirror.faults([paged, Rule::new(On::Tags, Fault::Status(500, None)).after(1)]);
    let repository = house.repository(&[]);
    let tags = repository.tags(&mut repository.budget()).await.unwrap();
    assert_eq!((tags, house.asked()), (vec!["1".to_owned()], (1, 2)));
    let last = house.mirror.requests().pop().unwrap();
    assert!(last.query.contains("last=0") && last.query.contains("ns="), "{}", last.query);
}
