//! Choosing among what an index offers.

#![allow(clippy::unwrap_used, reason = "clippy takes helpers of tests for code")]

use std::sync::Arc;

use serde_json::{Value, json};
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::oci::Bounds;
use varve_core::remotes::Resolver;
use varve_core::testsuite::memory::Store;
use varve_core::{Descriptor, Digest, Error, Kind, MediaType, Platform, Scope};
use varve_registry::Client;
use varve_resolver::{Config, Dependencies};

struct House {
    store: Store,
    resolver: Box<dyn Resolver>,
}

fn house() -> House {
    bounded(Bounds::default())
}

fn bounded(images: Bounds) -> House {
    let store = Store::new();
    let registry = Client::new(varve_registry::Config::impatient());
    let dependencies = Dependencies { content: Arc::new(store.clone()), registry };
    House { store, resolver: Box::new(varve_resolver::open(Config { images }, dependencies)) }
}

impl House {
    async fn store(&self, bytes: String) -> Digest {
        let scope = Scope::default();
        let open = OpenWriter { ingest: "x".into(), ..OpenWriter::default() };
        let mut writer = self.store.writer(&scope, open).await.unwrap();
        writer.write(bytes.clone().into()).await.unwrap();
        let _ = writer.commit(Commit::default()).await;
        Digest::of(bytes.as_bytes())
    }

    async fn index(&self, children: Vec<Value>) -> Descriptor {
        let bytes = json!({"schemaVersion": 2, "manifests": children}).to_string();
        let size = bytes.len() as u64;
        Descriptor::new(MediaType::OciIndex, self.store(bytes).await, size)
    }

    async fn select(
        &self,
        target: &Descriptor,
        platform: (&str, &str, &str),
    ) -> Result<Digest, Error> {
        let platform = Platform::new(platform.0, platform.1, platform.2);
        let chosen = self.resolver.select(&Scope::default(), target, &platform).await?;
        assert!(chosen.media_type.is_manifest());
        Ok(chosen.digest)
    }
}

fn manifest(name: &str, platform: Option<Value>) -> Value {
    let digest = Digest::of(name.as_bytes());
    let mut child = json!({"mediaType": MediaType::OciManifest, "digest": digest, "size": 1});
    if let Some(platform) = platform {
        child["platform"] = platform;
    }
    child
}

fn on(name: &str, os: &str, architecture: &str, variant: &str) -> Value {
    let platform = json!({"os": os, "architecture": architecture, "variant": variant});
    manifest(name, Some(platform))
}

fn nested(index: &Descriptor) -> Value {
    json!({"mediaType": index.media_type, "digest": index.digest, "size": index.size})
}

fn named(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

const AMD64: (&str, &str, &str) = ("linux", "amd64", "");

#[tokio::test]
async fn a_manifest_chooses_itself() {
    let target = Descriptor::new(MediaType::DockerManifest, named("x"), 1);
    assert_eq!(house().select(&target, AMD64).await.unwrap(), named("x"));
}

#[tokio::test]
async fn the_best_variant_is_chosen_wherever_it_stands() {
    let house = house();
    let children = vec![
        on("v5", "linux", "arm", "v5"),
        on("v7", "linux", "arm", "v7"),
        on("v6", "linux", "arm", "v6"),
    ];
    let index = house.index(children).await;
    assert_eq!(house.select(&index, ("linux", "arm", "v7")).await.unwrap(), named("v7"));
    assert_eq!(house.select(&index, ("linux", "arm", "v6")).await.unwrap(), named("v6"));
    assert_eq!(house.select(&index, ("linux", "arm64", "")).await.unwrap(), named("v7"));
}

#[tokio::test]
async fn the_same_manifest_may_be_there_for_two_platforms() {
    let house = house();
    let index =
        house.index(vec![on("x", "linux", "arm64", ""), on("x", "linux", "amd64", "")]).await;
    assert_eq!(house.select(&index, AMD64).await.unwrap(), named("x"));
}

#[tokio::test]
async fn what_is_unknown_is_never_chosen_and_a_silent_child_only_at_last() {
    let house = house();
    let unknown = || on("attestation", "unknown", "unknown", "");
    let index = house
        .index(vec![unknown(), manifest("silent", None), on("amd", "linux", "amd64", "")])
        .await;
    assert_eq!(house.select(&index, AMD64).await.unwrap(), named("amd"));
    assert_eq!(house.select(&index, ("linux", "s390x", "")).await.unwrap(), named("silent"));
    let index = house.index(vec![unknown()]).await;
    assert_eq!(house.select(&index, AMD64).await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn where_none_fits_the_error_lists_what_there_is() {
    let house = house();
    let evil = on("evil", "li\u{1b}[2Jnux", "amd64", "");
    let index = house
        .index(vec![on("a", "linux", "arm64", ""), on("w", "windows", "amd64", ""), evil])
        .await;
    let error = house.select(&index, AMD64).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let text = error.message();
    assert!(text.contains("linux/arm64") && text.contains("windows/amd64"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn a_nested_index_is_followed() {
    let house = house();
    let inner = house.index(vec![on("deep", "linux", "amd64", "")]).await;
    let outer = house.index(vec![on("arm", "linux", "arm64", ""), nested(&inner)]).await;
    assert_eq!(house.select(&outer, AMD64).await.unwrap(), named("deep"));
}

#[tokio::test]
async fn a_nested_index_for_another_platform_need_not_be_here() {
    let house = house();
    let absent = Descriptor::new(MediaType::OciIndex, named("absent"), 9);
    let mut other = nested(&absent);
    other["platform"] = json!({"os": "windows", "architecture": "amd64"});
    let index = house.index(vec![other, on("amd", "linux", "amd64", "")]).await;
    assert_eq!(house.select(&index, AMD64).await.unwrap(), named("amd"));
    let index = house.index(vec![nested(&absent)]).await;
    let error = house.select(&index, AMD64).await.unwrap_err();
    assert!(error.message().contains(&named("absent").to_string()), "{error}");
}

#[tokio::test]
async fn indexes_nested_without_end_are_refused() {
    let house = house();
    let mut index = house.index(vec![on("deep", "linux", "amd64", "")]).await;
    for _ in 0..=Config::default().images.depth {
        index = house.index(vec![nested(&index)]).await;
    }
    let error = house.select(&index, AMD64).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
}

#[tokio::test]
async fn the_same_index_named_a_thousand_times_is_read_once_and_many_are_too_many() {
    let house = house();
    let inner = house.index(vec![on("deep", "linux", "amd64", "")]).await;
    let outer = house.index(vec![nested(&inner); 1000]).await;
    assert_eq!(house.select(&outer, AMD64).await.unwrap(), named("deep"));
    let mut many = Vec::new();
    for number in 0..=Config::default().images.indexes {
        let name = number.to_string();
        many.push(nested(&house.index(vec![on(&name, "linux", "arm64", "")]).await));
    }
    let outer = house.index(many).await;
    assert_eq!(house.select(&outer, AMD64).await.unwrap_err().kind(), Kind::InvalidArgument);
}

#[tokio::test]
async fn a_layer_is_no_target() {
    let target = Descriptor::new(MediaType::Other("x/y".into()), named("x"), 1);
    assert_eq!(house().select(&target, AMD64).await.unwrap_err().kind(), Kind::InvalidArgument);
}

#[tokio::test]
async fn depth_number_breadth_and_size_are_those_of_the_configuration() {
    let usual = Bounds::default();
    for (images, why) in [
        (Bounds { depth: 1, ..usual }, "more than 1 deep"),
        (Bounds { indexes: 2, ..usual }, "more than 2 indexes"),
        (Bounds { children: 1, ..usual }, "2 manifests, more than 1"),
        (Bounds { document: 300, ..usual }, "more than 300"),
    ] {
        for (images, allowed) in [(images, false), (usual, true)] {
            let house = bounded(images);
            let inner = house.index(vec![on("deep", "linux", "amd64", "")]).await;
            let middle = house.index(vec![nested(&inner)]).await;
            let other = on("other", "linux", "s390x", "");
            let outer = house.index(vec![nested(&middle), other]).await;
            let chosen = house.select(&outer, AMD64).await.map_err(|error| error.chain());
            assert_eq!(chosen.is_ok(), allowed, "{why}: {chosen:?}");
            let told = chosen.err().unwrap_or_else(|| why.to_owned());
            assert!(told.contains(why), "{told}");
        }
    }
}
