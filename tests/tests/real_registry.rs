//! Docker's own registry, as Debian packages it, in place of the one in this process.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use varve_core::Kind;
use varve_registry::{Client, Config};
use varve_tests::command::Varve;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;
use varve_tests::peers::have;
use varve_tests::registry::Registry;

/// An image of one layer that does not compress, of some 32 MiB.
fn large() -> Content {
    let mut state = 7u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    })
    .take(32 << 20)
    .collect();
    let mut content = Content::default();
    let layer = Layer::new().file("noise", 0o644, &noise).finish();
    content.image(Family::Docker, Packing::Plain, &platform("linux", "amd64", ""), &[layer]);
    content
}

#[tokio::test]
async fn tags_and_manifests_of_dockers_own_registry_are_understood() {
    if !have(&["docker-registry"], "dockers_own_registry_is_understood") {
        return;
    }
    let registry = Registry::start().unwrap();
    registry.push("some/image", "1", &large()).unwrap();
    let client = Client::new(Config::default());
    let repository = client.repository(registry.address(), "some/image", false, &[]).unwrap();
    let mut budget = repository.budget();
    assert_eq!(repository.tags(&mut budget).await.unwrap(), ["1"]);
    let head = repository.head_manifest("1", &mut budget).await.unwrap();
    let manifest = repository.manifest("1", &mut budget).await.unwrap();
    assert_eq!((head.digest, head.media_type), (Some(manifest.digest), Some(manifest.media_type)));
    let error = repository.manifest("none", &mut budget).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.message().contains("not found: manifest unknown"), "{error}");
}

#[test]
fn a_download_killed_half_way_is_resumed_by_dockers_own_registry() {
    if !have(&["docker-registry"], "a_download_killed_half_way_is_resumed") {
        return;
    }
    let registry = Registry::start().unwrap();
    registry.push("some/image", "1", &large()).unwrap();
    let name = format!("{}/some/image:1", registry.address());
    let varve = (0..20)
        .map(|_| Varve::new().unwrap())
        .find(|varve| killed_half_way(varve, &name))
        .expect("one of 20 kills falls into the download");
    varve.run(&["pull", &name]).unwrap();
    let log = registry.log().unwrap();
    assert!(log.contains(" 206 "), "no partial answer in:\n{log}");
}

/// Kills a pull as soon as some of the layer is here; whether that was not all of it.
fn killed_half_way(varve: &Varve, name: &str) -> bool {
    let mut command = varve.command(&["pull", "-q", name]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let ingest = varve.layout().join("ingest");
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end && largest(&ingest) < 1 << 20 && child.try_wait().unwrap().is_none()
    {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    (1 << 20..32 << 20).contains(&largest(&ingest))
}

/// Bytes of the largest ingest.
fn largest(ingest: &Path) -> u64 {
    let entries = fs::read_dir(ingest).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.path().join("data").metadata().ok()?.len().into())
        .max()
        .unwrap_or(0)
}
