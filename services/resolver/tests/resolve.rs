//! Names to descriptors, at a registry that does not always tell all.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use std::sync::Arc;

use varve_core::remotes::{Remote, Resolver};
use varve_core::testsuite::memory::Store;
use varve_core::{Descriptor, Digest, Error, Kind, MediaType};
use varve_registry::Client;
use varve_registry::testsuite::{Fault, On, Rule, TestRegistry};
use varve_resolver::{Config, Dependencies};

const REPO: &str = "lab/app";
const INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

async fn registry() -> (TestRegistry, Digest) {
    let registry = TestRegistry::start().await;
    let digest = registry.push_manifest(REPO, Some("1"), &MediaType::OciIndex, INDEX);
    (registry, digest)
}

fn resolver() -> impl Resolver {
    let registry = Client::new(varve_registry::Config::impatient());
    varve_resolver::open(
        Config::default(),
        Dependencies { content: Arc::new(Store::new()), registry },
    )
}

async fn resolve(registry: &TestRegistry, suffix: &str) -> Result<Descriptor, Error> {
    let reference = format!("{}/{REPO}{suffix}", registry.address()).parse().unwrap();
    resolver().resolve(&Remote::anonymous(reference)).await
}

fn methods(registry: &TestRegistry) -> Vec<String> {
    registry.requests().into_iter().map(|asked| asked.method.to_string()).collect()
}

#[tokio::test]
async fn a_tag_is_one_head() {
    let (registry, digest) = registry().await;
    let found = resolve(&registry, ":1").await.unwrap();
    assert_eq!(found, Descriptor::new(MediaType::OciIndex, digest, INDEX.len() as u64));
    assert_eq!(methods(&registry), ["HEAD"]);
}

#[tokio::test]
async fn a_digest_is_one_head_and_no_tag_is_asked_for() {
    let (registry, digest) = registry().await;
    assert_eq!(resolve(&registry, &format!("@{digest}")).await.unwrap().digest, digest);
    assert_eq!(methods(&registry), ["HEAD"]);
    assert!(registry.requests()[0].path.ends_with(&digest.to_string()));
}

#[tokio::test]
async fn a_head_that_does_not_tell_enough_is_followed_by_a_get() {
    for fault in [
        Fault::NoDigest,
        Fault::Digest("sha512:00".into()),
        Fault::ContentType("text/plain".into()),
        Fault::Status(405, None),
        Fault::Status(403, None),
        Fault::Status(404, None),
    ] {
        let (registry, digest) = registry().await;
        registry.faults([Rule::new(On::Heads, fault.clone())]);
        assert_eq!(resolve(&registry, ":1").await.unwrap().digest, digest, "{fault:?}");
        assert_eq!(methods(&registry), ["HEAD", "GET"], "{fault:?}");
    }
}

#[tokio::test]
async fn a_missing_tag_is_told_in_dockers_words() {
    let (registry, _) = registry().await;
    let error = resolve(&registry, ":2").await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.message().ends_with("lab/app:2 not found: manifest unknown"), "{error}");
}

#[tokio::test]
async fn a_tag_that_contradicts_the_digest_is_refused() {
    let (registry, digest) = registry().await;
    let other = registry.push_manifest(REPO, Some("2"), &MediaType::OciIndex, format!("{INDEX} "));
    assert_eq!(resolve(&registry, &format!(":1@{digest}")).await.unwrap().digest, digest);
    let error = resolve(&registry, &format!(":2@{digest}")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert!(error.message().contains(&other.to_string()), "{error}");
    assert_eq!(resolve(&registry, &format!(":gone@{digest}")).await.unwrap().digest, digest);
}

#[tokio::test]
async fn a_registry_that_offers_another_digest_than_asked_for_is_refused() {
    let (registry, digest) = registry().await;
    let other = Digest::of(b"other").to_string();
    registry.faults([Rule::new(On::Heads, Fault::Digest(other))]);
    let error = resolve(&registry, &format!("@{digest}")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
}

#[tokio::test]
async fn a_manifest_too_large_to_read_is_refused_by_its_head() {
    let (registry, _) = registry().await;
    registry.faults([Rule::new(On::Heads, Fault::Length(5 << 20))]);
    assert_eq!(resolve(&registry, ":1").await.unwrap_err().kind(), Kind::ResourceExhausted);
}

#[tokio::test]
async fn a_registry_that_is_busy_for_a_while_is_waited_for() {
    let (registry, digest) = registry().await;
    registry.faults([Rule::new(On::Heads, Fault::Status(503, None)).times(2)]);
    assert_eq!(resolve(&registry, ":1").await.unwrap().digest, digest);
}

#[tokio::test]
async fn tags_are_listed() {
    let (registry, _) = registry().await;
    registry.push_manifest(REPO, Some("0"), &MediaType::OciIndex, INDEX);
    let reference = registry.reference(REPO, "1").parse().unwrap();
    assert_eq!(resolver().tags(&Remote::anonymous(reference)).await.unwrap(), ["0", "1"]);
}

#[tokio::test]
async fn a_document_is_read_by_its_digest_and_never_as_another() {
    let (registry, digest) = registry().await;
    let reference = format!("{}/{REPO}:1", registry.address()).parse().unwrap();
    let remote = Remote::anonymous(reference);
    let size = INDEX.len() as u64;
    let index = Descriptor::new(MediaType::OciIndex, digest, size);
    registry.faults([Rule::new(On::Manifests, Fault::Cut(10)).times(1)]);
    assert_eq!(resolver().document(&remote, &index).await.unwrap(), INDEX);
    registry.faults([Rule::new(On::Manifests, Fault::OtherBytes)]);
    assert!(resolver().document(&remote, &index).await.is_err());
    let large = Descriptor { size: 1 << 30, ..index };
    let error = resolver().document(&remote, &large).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ResourceExhausted);
}

#[tokio::test]
async fn a_head_with_no_length_of_the_document_is_followed_by_a_get() {
    let (registry, digest) = registry().await;
    registry.faults([Rule::new(On::Heads, Fault::Length(0))]);
    let found = resolve(&registry, ":1").await.unwrap();
    assert_eq!(found, Descriptor::new(MediaType::OciIndex, digest, INDEX.len() as u64));
    assert_eq!(methods(&registry), ["HEAD", "GET"]);
}

#[tokio::test]
async fn a_document_that_a_mirror_lies_about_is_asked_of_the_next_host() {
    let ((upstream, digest), (mirror, _)) = (registry().await, registry().await);
    mirror.faults([Rule::new(On::Manifests, Fault::OtherBytes)]);
    let hosts = tempfile::tempdir().unwrap();
    let directory = hosts.path().join(upstream.address());
    std::fs::create_dir(&directory).unwrap();
    let text = format!("[host.\"http://{}\"]\n", mirror.address());
    std::fs::write(directory.join("hosts.toml"), text).unwrap();
    let hosts_dirs = vec![hosts.path().to_owned()];
    let config = varve_registry::Config { hosts_dirs, ..varve_registry::Config::impatient() };
    let dependencies =
        Dependencies { content: Arc::new(Store::new()), registry: Client::new(config) };
    let resolver = varve_resolver::open(Config::default(), dependencies);
    let remote = Remote::anonymous(upstream.reference(REPO, "1").parse().unwrap());
    let index = Descriptor::new(MediaType::OciIndex, digest, INDEX.len() as u64);
    assert_eq!(resolver.document(&remote, &index).await.unwrap(), INDEX);
    assert_eq!((methods(&mirror).len(), methods(&upstream).len()), (1, 1));
}
