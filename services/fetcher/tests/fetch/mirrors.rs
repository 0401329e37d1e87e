//! Blobs of which a mirror has a part, or others of the same name.

use std::sync::Arc;

use varve_core::remotes::Fetcher;
use varve_registry::Client;
use varve_registry::testsuite::{Fault, TestRegistry};

use crate::{House, REPO, WHOLE, blobs, bytes, fetcher_of, house};

/// A mirror with the same blob and this fault, and the fetcher that is told of it.
async fn mirrored(
    house: &House,
    fault: Fault,
) -> (TestRegistry, tempfile::TempDir, Arc<dyn Fetcher>) {
    let mirror = TestRegistry::start().await;
    mirror.push_blob(REPO, bytes());
    mirror.faults([blobs(fault)]);
    let temp = tempfile::tempdir().unwrap();
    let directory = temp.path().join(house.registry.address());
    std::fs::create_dir(&directory).unwrap();
    let hosts = format!("[host.\"http://{}\"]\ncapabilities = [\"pull\"]", mirror.address());
    std::fs::write(directory.join("hosts.toml"), hosts).unwrap();
    let hosts_dirs = vec![temp.path().to_owned()];
    let config = varve_registry::Config { hosts_dirs, ..varve_registry::Config::impatient() };
    let fetcher = fetcher_of(&house.store, Client::new(config));
    (mirror, temp, fetcher)
}

#[tokio::test]
async fn what_a_mirror_breaks_off_is_resumed_at_the_registry() {
    let mut house = house([]).await;
    let (mirror, _temp, fetcher) = mirrored(&house, Fault::Cut(300_000)).await;
    house.fetcher = fetcher;
    assert_eq!(house.fetch().await.unwrap(), WHOLE);
    house.check().await;
    assert_eq!(house.ranges(), [Some("bytes=300000-".into())]);
    assert_eq!(mirror.requests().len(), 1);
}

#[tokio::test]
async fn other_bytes_of_a_mirror_are_thrown_away_and_the_registry_asked() {
    for fault in [Fault::OtherBytes, Fault::Endless] {
        let mut house = house([]).await;
        let (mirror, _temp, fetcher) = mirrored(&house, fault).await;
        house.fetcher = fetcher;
        house.fetch().await.unwrap();
        house.check().await;
        assert_eq!(mirror.requests().len(), 1);
    }
}

#[tokio::test]
async fn half_of_a_mirrors_wrong_bytes_does_not_spoil_the_other_half() {
    let mut house = house([]).await;
    let (mirror, _temp, fetcher) = mirrored(&house, Fault::Cut(300_000)).await;
    mirror.faults([blobs(Fault::OtherBytes), blobs(Fault::Cut(300_000))]);
    house.fetcher = fetcher;
    house.fetch().await.unwrap();
    house.check().await;
    assert_eq!(house.ranges(), [Some("bytes=300000-".into()), None]);
    assert_eq!(mirror.requests().len(), 1);
}
