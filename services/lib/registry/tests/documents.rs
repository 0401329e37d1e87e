//! Manifests, tag lists and redirects.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use std::time::{Duration, Instant};

use varve_core::{Descriptor, Digest, Error, Kind, MediaType};
use varve_registry::testsuite::{Fault, Gate, On, Rule, TestRegistry};
use varve_registry::{Client, Config, Repository};

const REPO: &str = "lab/app";
const MANIFEST: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;

async fn with(rules: impl IntoIterator<Item = Rule>) -> (TestRegistry, Repository) {
    let registry = TestRegistry::start().await;
    registry.push_manifest(REPO, Some("1"), &MediaType::OciManifest, MANIFEST);
    registry.faults(rules);
    let repository = seen(&registry);
    (registry, repository)
}

fn seen(registry: &TestRegistry) -> Repository {
    let client = Client::new(Config::impatient());
    client.repository(registry.address(), REPO, false, &[]).unwrap()
}

async fn get(repository: &Repository, reference: &str) -> Result<Digest, Error> {
    let mut budget = repository.budget();
    let manifest = repository.manifest(reference, &mut budget).await?;
    assert_eq!(manifest.media_type, MediaType::OciManifest);
    Ok(manifest.digest)
}

async fn tags(repository: &Repository) -> Result<Vec<String>, Error> {
    let mut budget = repository.budget();
    repository.tags(&mut budget).await
}

#[tokio::test]
async fn a_manifest_is_asked_for_in_all_four_forms_by_tag_and_by_digest() {
    let (registry, repository) = with([]).await;
    let digest = Digest::of(MANIFEST.as_bytes());
    assert_eq!(get(&repository, "1").await.unwrap(), digest);
    assert_eq!(get(&repository, &digest.to_string()).await.unwrap(), digest);
    let mut budget = repository.budget();
    let head = repository.head_manifest("1", &mut budget).await.unwrap();
    assert_eq!(head.digest, Some(digest));
    assert_eq!(head.size, Some(MANIFEST.len() as u64));
    assert_eq!(head.media_type, Some(MediaType::OciManifest));
    for asked in registry.requests() {
        let accept = asked.headers["accept"].to_str().unwrap();
        assert_eq!(accept.split(", ").count(), 4, "{accept}");
    }
}

#[tokio::test]
async fn a_missing_tag_is_told_in_dockers_words() {
    let (registry, repository) = with([]).await;
    let error = get(&repository, "2").await.unwrap_err();
    let expected =
        format!("manifest for {}/{REPO}:2 not found: manifest unknown", registry.address());
    assert_eq!((error.kind(), error.message()), (Kind::NotFound, expected.as_str()));
}

#[tokio::test]
async fn a_head_without_a_digest_is_told_as_such() {
    let (_registry, repository) = with([Rule::new(On::Heads, Fault::NoDigest)]).await;
    let mut budget = repository.budget();
    assert_eq!(repository.head_manifest("1", &mut budget).await.unwrap().digest, None);
}

#[tokio::test]
async fn a_manifest_that_is_not_what_the_registry_says_is_refused() {
    let other = Digest::of(b"other").to_string();
    let (_registry, repository) = with([Rule::new(On::Manifests, Fault::Digest(other))]).await;
    assert_eq!(get(&repository, "1").await.unwrap_err().kind(), Kind::FailedPrecondition);
    let (_registry, repository) = with([Rule::new(On::Manifests, Fault::OtherBytes)]).await;
    let digest = Digest::of(MANIFEST.as_bytes()).to_string();
    assert_eq!(get(&repository, &digest).await.unwrap_err().kind(), Kind::FailedPrecondition);
}

#[tokio::test]
async fn a_document_that_is_served_as_plain_json_says_itself_what_it_is() {
    let plain = Fault::ContentType("application/json; charset=utf-8".into());
    let (_registry, repository) = with([Rule::new(On::Manifests, plain)]).await;
    assert!(get(&repository, "1").await.is_ok());
    let page = Rule::new(On::Manifests, Fault::Body("{}".into()));
    let (_registry, repository) = with([page]).await;
    assert!(get(&repository, "1").await.unwrap_err().message().contains("neither"));
}

#[tokio::test]
async fn a_manifest_without_end_is_refused_and_a_broken_one_read_again() {
    let (_registry, repository) = with([Rule::new(On::Manifests, Fault::Endless)]).await;
    assert_eq!(get(&repository, "1").await.unwrap_err().kind(), Kind::ResourceExhausted);
    for fault in [Fault::Cut(10), Fault::Stall(10), Fault::OtherBytes] {
        let (_registry, repository) = with([Rule::new(On::Manifests, fault).times(1)]).await;
        assert!(get(&repository, "1").await.is_ok());
    }
}

#[tokio::test]
async fn an_error_without_end_is_still_an_error() {
    let rules = [
        Rule::new(On::Manifests, Fault::Status(404, None)),
        Rule::new(On::Manifests, Fault::Endless),
    ];
    let (_registry, repository) = with(rules).await;
    assert_eq!(get(&repository, "1").await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn all_pages_of_a_tag_list_are_read() {
    let (registry, repository) = with([Rule::new(On::Tags, Fault::PageSize(2))]).await;
    for tag in ["a", "b", "c", "d"] {
        registry.push_manifest(REPO, Some(tag), &MediaType::OciManifest, MANIFEST);
    }
    assert_eq!(tags(&repository).await.unwrap(), ["1", "a", "b", "c", "d"]);
    assert_eq!(registry.requests().len(), 3);
}

#[tokio::test]
async fn a_tag_list_that_leads_in_a_circle_or_elsewhere_is_refused() {
    for link in [
        format!("</v2/{REPO}/tags/list?n=1000>; rel=\"next\""),
        "<http://127.0.0.1:1/v2/lab/app/tags/list?n=1>; rel=\"next\"".into(),
        "</v2/other/tags/list>; rel=\"next\"".into(),
        "</admin>; rel=\"next\"".into(),
    ] {
        let (registry, repository) = with([Rule::new(On::Tags, Fault::Link(link.clone()))]).await;
        let error = tags(&repository).await.unwrap_err();
        assert_eq!(error.kind(), Kind::FailedPrecondition, "{link}");
        assert_eq!(registry.requests().len(), 1, "{link}");
    }
}

#[tokio::test]
async fn a_tag_list_without_end_is_refused() {
    let (registry, _) = with([Rule::new(On::Tags, Fault::PageSize(1))]).await;
    for tag in 0..20 {
        let tag = format!("t{tag}");
        registry.push_manifest(REPO, Some(&tag), &MediaType::OciManifest, MANIFEST);
    }
    let client = Client::new(Config { tag_pages: 5, ..Config::impatient() });
    let repository = client.repository(registry.address(), REPO, false, &[]).unwrap();
    assert_eq!(tags(&repository).await.unwrap_err().kind(), Kind::ResourceExhausted);
    assert_eq!(registry.requests().len(), 5);
}

#[tokio::test]
async fn a_redirect_to_another_port_is_followed_without_the_token() {
    let (cdn, _) = with([]).await;
    let (registry, repository) = with([]).await;
    let blob: Descriptor = cdn.push_blob(REPO, "bytes");
    registry.push_blob(REPO, "bytes");
    registry.guard(Gate::anonymous());
    let to = format!("http://{}*", cdn.address());
    registry.faults([Rule::new(On::Blobs, Fault::Redirect(to)).after(1)]);
    let mut budget = repository.budget();
    let mut stream = repository.blob(&blob, 0, &mut budget).await.unwrap();
    assert_eq!(stream.chunk().await.unwrap().unwrap(), "bytes");
    let asked = cdn.requests();
    assert_eq!((asked.len(), asked[0].authorization.as_deref()), (1, None));
    assert!(registry.requests().last().unwrap().authorization.is_some());
}

#[tokio::test]
async fn a_challenge_of_the_place_redirected_to_is_not_met() {
    let (cdn, _) = with([]).await;
    cdn.guard(Gate::Basic("me".into(), "hunter2".into()));
    let (registry, _) = with([]).await;
    let blob = registry.push_blob(REPO, "bytes");
    registry.faults([Rule::new(On::Blobs, Fault::Redirect(format!("http://{}*", cdn.address())))]);
    let login = varve_core::remotes::Login::Basic {
        username: "me".into(),
        password: varve_core::remotes::Secret::new("hunter2"),
    };
    let credential = varve_core::remotes::Credential { host: registry.address().into(), login };
    let client = Client::new(Config::impatient());
    let repository = client.repository(registry.address(), REPO, false, &[credential]).unwrap();
    let mut budget = repository.budget();
    let error = repository.blob(&blob, 0, &mut budget).await.err().unwrap();
    assert!(error.chain().contains("which answered 401"), "{}", error.chain());
    assert!(cdn.requests().iter().all(|asked| asked.authorization.is_none()));
}

#[tokio::test]
async fn a_range_is_asked_for_behind_a_redirect_too() {
    let (cdn, _) = with([]).await;
    let (registry, repository) = with([]).await;
    let blob = cdn.push_blob(REPO, "bytes");
    registry.faults([Rule::new(On::Blobs, Fault::Redirect(format!("http://{}*", cdn.address())))]);
    let mut budget = repository.budget();
    let mut stream = repository.blob(&blob, 2, &mut budget).await.unwrap();
    assert_eq!((stream.start(), stream.chunk().await.unwrap().unwrap()), (2, "tes".into()));
}

#[tokio::test]
async fn redirects_without_end_or_aim_are_refused() {
    for to in ["*", "http://", "ftp://h/*", "http://u:p@127.0.0.1/*"] {
        let (registry, repository) =
            with([Rule::new(On::Manifests, Fault::Redirect(to.into()))]).await;
        let error = get(&repository, "1").await.unwrap_err();
        assert!(error.message().contains("redirects"), "{to}: {error}");
        let most = if to == "*" { 6 } else { 1 };
        assert_eq!(registry.requests().len(), most, "{to}");
    }
}

#[tokio::test]
async fn a_document_that_trickles_is_left_in_time() {
    let kind = MediaType::OciManifest;
    let large = format!(r#"{{"schemaVersion":2,"x":"{}"}}"#, "x".repeat(300_000));
    // Two kibibytes each time, which is no stall: this would take seconds, and of mebibytes a day.
    let slow = Rule::new(On::Documents, Fault::Slow(2048, Duration::from_millis(40)));
    let (registry, _) = with([slow]).await;
    registry.push_manifest(REPO, Some("large"), &kind, large);
    let config =
        Config { document: Duration::from_millis(300), attempts: 2, ..Config::impatient() };
    let client = Client::new(config);
    let repository = client.repository(registry.address(), REPO, false, &[]).unwrap();
    let began = Instant::now();
    let error = get(&repository, "large").await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded, "{}", error.chain());
    assert!(error.chain().contains("took more than 0.3 s to send a manifest"), "{}", error.chain());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_registry_that_names_two_digests_is_asked_for_the_document_itself() {
    let (own, other) = (Digest::of(MANIFEST.as_bytes()).to_string(), Digest::of(b"x").to_string());
    let twice = |digest: &str| Rule::new(On::Heads, Fault::AlsoDigest(digest.into()));
    for (second, told) in [(&own, true), (&other, false)] {
        let (_registry, repository) = with([twice(second)]).await;
        let head = repository.head_manifest("1", &mut repository.budget()).await.unwrap();
        assert_eq!(head.digest.is_some(), told, "{second}");
    }
    // Of the two that come with the document each has to be its own.
    let rule = Rule::new(On::Documents, Fault::AlsoDigest(other.clone()));
    let (_registry, repository) = with([rule]).await;
    let error = get(&repository, "1").await.unwrap_err();
    assert!(error.chain().contains(&format!("in place of {other}")), "{}", error.chain());
}

#[tokio::test]
async fn a_head_that_says_its_own_length_says_none_of_the_document() {
    let (_registry, repository) = with([Rule::new(On::Heads, Fault::Length(0))]).await;
    let head = repository.head_manifest("1", &mut repository.budget()).await.unwrap();
    assert_eq!(head.size, None);
}

#[tokio::test]
async fn what_a_server_in_front_of_the_registry_says_passes_and_never_does_not() {
    for (status, asked) in [(520, 2), (522, 2), (524, 2), (530, 2), (501, 1), (505, 1)] {
        let rule = Rule::new(On::Manifests, Fault::Status(status, None)).times(1);
        let (registry, repository) = with([rule]).await;
        assert_eq!(get(&repository, "1").await.is_ok(), asked == 2, "{status}");
        assert_eq!(registry.requests().len(), asked, "{status}");
    }
}
