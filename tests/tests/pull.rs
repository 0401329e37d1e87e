//! `varve pull` and what a person does next, embedded, against a registry that counts.

#![allow(clippy::unwrap_used, reason = "of tests")]

use varve_registry::testsuite::{Fault, On, Rule};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;

/// A registry with the three-platform image `demo/hello:1`, a root, the image's name.
fn demo() -> (Fake, Varve, String) {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let image = format!("{}/demo/hello:1", registry.address());
    (registry, Varve::new().unwrap(), image)
}

fn one_layer(text: &str) -> Content {
    let mut content = Content::default();
    let layer = Layer::new().file("file", 0o644, text.as_bytes()).finish();
    content.image(Family::Oci, Packing::Gzip, &platform("linux", "amd64", ""), &[layer]);
    content
}

#[test]
fn a_pull_says_what_docker_says() {
    let (_registry, varve, image) = demo();
    let said = varve.run(&["pull", &image]).unwrap();
    assert!(said.starts_with("1: Pulling from demo/hello\n"), "{said}");
    assert_eq!(said.matches(": Pull complete\n").count(), 3, "{said}");
    assert!(said.contains("\nDigest: sha256:"), "{said}");
    assert!(said.contains(&format!("\nStatus: Downloaded newer image for {image}\n")), "{said}");
    assert!(said.ends_with(&format!("\n{image}\n")), "{said}");
}

#[test]
fn a_second_pull_downloads_no_blob_and_unpacks_nothing() {
    let (registry, varve, image) = demo();
    varve.run(&["pull", &image]).unwrap();
    let blobs = registry.blob_requests();
    let requests = registry.requests().len();
    let snapshots = varve.json(&["snapshots", "ls"]).unwrap();
    let said = varve.run(&["pull", &image]).unwrap();
    assert!(said.contains(&format!("Status: Image is up to date for {image}\n")), "{said}");
    assert_eq!(registry.blob_requests(), blobs, "no blob was asked for");
    assert_eq!(registry.requests().len(), requests + 1, "one HEAD, and nothing else");
    assert_eq!(varve.json(&["snapshots", "ls"]).unwrap(), snapshots);
}

#[test]
fn layers_that_two_images_share_already_exist() {
    let (registry, varve, image) = demo();
    varve.run(&["pull", &image]).unwrap();
    let said = varve
        .run(&[
            "pull",
            "--platform",
            "linux/arm64",
            &format!("{}/demo/hello:1", registry.address()),
        ])
        .unwrap();
    assert_eq!(said.matches(": Already exists\n").count(), 1, "the lowest is shared: {said}");
    assert_eq!(said.matches(": Pull complete\n").count(), 2, "{said}");
}

#[test]
fn quiet_prints_the_name_alone() {
    let (_registry, varve, image) = demo();
    assert_eq!(varve.run(&["pull", "-q", &image]).unwrap(), format!("{image}\n"));
}

#[test]
fn an_image_can_be_pulled_by_its_digest() {
    let (_registry, varve, image) = demo();
    let said = varve.run(&["pull", &image]).unwrap();
    let digest = said.lines().find_map(|line| line.strip_prefix("Digest: ")).unwrap();
    let by_digest = format!("{}@{digest}", image.strip_suffix(":1").unwrap());
    let said = varve.run(&["pull", &by_digest]).unwrap();
    assert!(said.contains(&format!("Digest: {digest}\n")), "{said}");
    let wrong = format!("{}@sha256:{}", image.strip_suffix(":1").unwrap(), "0".repeat(64));
    assert!(varve.fail(&["pull", &wrong]).unwrap().contains("not found"));
}

#[test]
fn a_platform_that_is_not_there_is_refused_with_those_that_are() {
    let (_registry, varve, image) = demo();
    let said = varve.fail(&["pull", "--platform", "linux/s390x", &image]).unwrap();
    for platform in ["linux/s390x", "linux/amd64", "linux/arm64", "linux/arm/v7"] {
        assert!(said.contains(platform), "{platform}: {said}");
    }
}

#[test]
fn several_platforms_are_pulled_under_one_name_and_all_means_each() {
    let (registry, varve, image) = demo();
    let two = ["pull", "--platform", "linux/arm64", "--platform", "linux/amd64", &image];
    let said = varve.run(&two).unwrap();
    assert!(said.starts_with("1: Pulling from demo/hello (linux/arm64)\n"), "{said}");
    assert!(said.contains("\n1: Pulling from demo/hello (linux/amd64)\n"), "{said}");
    assert_eq!(said.matches(": Already exists\n").count(), 1, "the lowest is shared: {said}");
    assert_eq!(said.matches(": Pull complete\n").count(), 5, "{said}");
    let end = format!("\nStatus: Downloaded newer image for {image}\n{image}\n");
    assert!(said.ends_with(&end) && said.matches("Digest: ").count() == 1, "{said}");
    let all = varve.json(&["pull", "--platform", "all", &image]).unwrap();
    let platforms: Vec<&str> =
        all.as_array().unwrap().iter().map(|one| one["platform"].as_str().unwrap()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"]);
    let new: Vec<bool> =
        all.as_array().unwrap().iter().map(|one| !one["upToDate"].as_bool().unwrap()).collect();
    assert_eq!(new, [false, false, true], "two of them were here");
    varve.run(&["gc"]).unwrap();
    let blobs = registry.blob_requests();
    varve.run(&["pull", "--platform", "all", &image]).unwrap();
    assert_eq!(registry.blob_requests(), blobs, "a collection takes none of them");
    assert!(varve.json(&["leases", "ls"]).unwrap().as_array().unwrap().is_empty());
}

#[test]
fn a_tag_beside_a_digest_must_say_the_same() {
    let (registry, varve, image) = demo();
    let digest = varve.json(&["pull", &image]).unwrap()["digest"].as_str().unwrap().to_owned();
    varve.run(&["pull", &format!("{image}@{digest}")]).unwrap();
    registry.push("demo/hello", "1", &one_layer("another"));
    let said = varve.fail(&["pull", &format!("{image}@{digest}")]).unwrap();
    assert!(said.contains(&digest) && said.contains("leave out the tag"), "{said}");
}

#[test]
fn a_name_that_is_not_there_and_one_that_is_no_name_are_told_apart() {
    let (registry, varve, _) = demo();
    let missing = format!("{}/demo/none:1", registry.address());
    let said = varve.fail(&["pull", &missing]).unwrap();
    assert!(said.contains("demo/none") && said.contains("not found"), "{said}");
    assert!(varve.fail(&["pull", "UPPER/case"]).unwrap().contains("lowercase"));
}

#[test]
fn a_tag_that_moved_leaves_the_old_image_dangling_and_pulls_the_new_one() {
    let registry = Fake::start().unwrap();
    let varve = Varve::new().unwrap();
    let image = format!("{}/moving:latest", registry.address());
    registry.push("moving", "latest", &one_layer("old"));
    let said = varve.run(&["pull", image.strip_suffix(":latest").unwrap()]).unwrap();
    assert!(said.starts_with("Using default tag: latest\n"), "{said}");
    registry.push("moving", "latest", &one_layer("new"));
    let said = varve.run(&["pull", &image]).unwrap();
    assert!(said.contains("Downloaded newer image"), "{said}");
    assert_eq!(varve.json(&["images", "ls"]).unwrap().as_array().unwrap().len(), 2);
    varve.run(&["gc"]).unwrap();
    assert_eq!(varve.json(&["images", "ls"]).unwrap().as_array().unwrap().len(), 2);
}

#[test]
fn a_download_that_is_cut_five_times_is_resumed_by_range() {
    let (registry, varve, image) = demo();
    registry.faults([Rule::new(On::Blobs, Fault::Cut(100)).times(5)]);
    varve.run(&["pull", &image]).unwrap();
    let resumed = registry.requests().iter().filter(|request| request.range.is_some()).count();
    assert!(resumed > 0, "no request had a Range");
}

#[test]
fn other_bytes_than_the_digest_promises_never_become_an_image() {
    let (registry, varve, image) = demo();
    registry.faults([Rule::new(On::Path("/blobs/".into()), Fault::OtherBytes)]);
    let said = varve.fail(&["pull", &image]).unwrap();
    assert!(said.contains("sha256:"), "names the blob: {said}");
    assert_eq!(varve.json(&["images", "ls"]).unwrap().as_array().unwrap().len(), 0);
    registry.faults([]);
    varve.run(&["pull", &image]).unwrap();
}

#[test]
fn an_image_pulled_without_unpacking_is_unpacked_by_the_next_pull() {
    let (registry, varve, image) = demo();
    varve.run(&["pull", "--no-unpack", &image]).unwrap();
    assert_eq!(varve.json(&["snapshots", "ls"]).unwrap().as_array().unwrap().len(), 0);
    let blobs = registry.blob_requests();
    varve.run(&["pull", &image]).unwrap();
    assert_eq!(varve.json(&["snapshots", "ls"]).unwrap().as_array().unwrap().len(), 3);
    assert_eq!(registry.blob_requests(), blobs, "no blob was asked for again");
}

#[test]
fn namespaces_share_bytes_and_not_names() {
    let (registry, varve, image) = demo();
    varve.run(&["pull", &image]).unwrap();
    let blobs = registry.blob_requests();
    assert_eq!(varve.json(&["-n", "other", "images", "ls"]).unwrap().as_array().unwrap().len(), 0);
    varve.run(&["-n", "other", "pull", &image]).unwrap();
    assert_eq!(registry.blob_requests(), blobs, "no blob was downloaded twice");
}

#[test]
fn the_same_layer_twice_in_one_image_is_downloaded_once() {
    let registry = Fake::start().unwrap();
    let varve = Varve::new().unwrap();
    let layer = Layer::new().file("file", 0o644, b"twice").finish();
    let mut content = Content::default();
    let host = platform("linux", "amd64", "");
    content.image(Family::Oci, Packing::Gzip, &host, &[layer.clone(), layer]);
    registry.push("twice", "1", &content);
    varve.run(&["pull", &format!("{}/twice:1", registry.address())]).unwrap();
    assert_eq!(registry.blob_requests(), 2, "the config and one layer");
    assert_eq!(varve.json(&["snapshots", "ls"]).unwrap().as_array().unwrap().len(), 2);
}

#[test]
fn a_layer_whose_diff_id_is_another_is_refused_and_leaves_no_image() {
    let registry = Fake::start().unwrap();
    let varve = Varve::new().unwrap();
    let mut content = one_layer("honest");
    let other = one_layer("lying");
    // The config of one image, the layer of the other.
    let manifest = String::from_utf8(content.manifests[0].1.clone()).unwrap();
    let digest =
        |content: &Content, n: usize| varve_core::Digest::of(&content.blobs[n]).to_string();
    let swapped = manifest.replace(&digest(&content, 0), &digest(&other, 0)).replace(
        &format!("\"size\":{}", content.blobs[0].len()),
        &format!("\"size\":{}", other.blobs[0].len()),
    );
    content.manifests[0].1 = swapped.into_bytes();
    content.blobs.push(other.blobs[0].clone());
    registry.push("lying", "1", &content);
    let said = varve.fail(&["pull", &format!("{}/lying:1", registry.address())]).unwrap();
    assert!(said.contains("inflates to"), "{said}");
    assert_eq!(varve.json(&["images", "ls"]).unwrap().as_array().unwrap().len(), 0);
    assert_eq!(varve.json(&["snapshots", "ls"]).unwrap().as_array().unwrap().len(), 0);
}

#[test]
fn a_mirror_of_a_hosts_directory_is_asked_in_the_registrys_place() {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let hosts = tempfile::tempdir().unwrap();
    let dir = hosts.path().join("registry.invalid");
    std::fs::create_dir(&dir).unwrap();
    let text = format!("[host.\"http://{}\"]\n", registry.address());
    std::fs::write(dir.join("hosts.toml"), text).unwrap();
    // What a daemon or services ask is in their own words: here it is the command itself.
    let varve = Varve::over(Topology::Embedded, binary().unwrap()).unwrap();
    let hosts = hosts.path().to_str().unwrap();
    varve.run(&["--hosts-dir", hosts, "pull", "registry.invalid/demo/hello:1"]).unwrap();
    assert!(registry.blob_requests() > 0);
    let asked = registry.requests();
    let names_it = |query: &str| query.contains("ns=registry.invalid");
    assert!(asked.iter().all(|request| request.path == "/v2/" || names_it(&request.query)));
}
