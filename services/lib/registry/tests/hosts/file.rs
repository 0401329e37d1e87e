//! What a file says of a host, as the host sees it.

use varve_core::Kind;
use varve_registry::testsuite::{Fault, On, Rule};

use crate::{REPO, bytes, house, read};

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
async fn a_proxy_of_the_hosts_own_is_used() {
    let house = house("").await;
    let (proxy, server) = (house.mirror.address(), "http://registry.invalid");
    house.write(&format!("server = \"{server}\"\nproxy = \"http://{proxy}\""));
    house.head().await.unwrap();
    let asked = house.mirror.requests();
    assert_eq!((asked.len(), house.asked().0), (1, 0));
    assert_eq!(asked[0].headers["host"], "registry.invalid");
}
