//! Other tools read the store's directory in place: it is an OCI image layout at all times.

#![allow(clippy::unwrap_used, reason = "of tests")]

use varve_tests::command::Varve;
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::odd;
use varve_tests::peers::{have, run};

fn pulled(content: &Content) -> (Varve, String) {
    let registry = Fake::start().unwrap();
    registry.push("read/me", "1", content);
    let varve = Varve::new().unwrap();
    let image = format!("{}/read/me:1", registry.address());
    varve.run(&["pull", "-q", "--no-unpack", &image]).unwrap();
    (varve, image)
}

fn single(family: Family) -> Content {
    let mut content = Content::default();
    let host = platform("linux", "amd64", "");
    content.image(family, Packing::Gzip, &host, &odd::layers()[..2]);
    content
}

fn read(content: &Content) {
    let (varve, image) = pulled(content);
    let layout = varve.layout().display().to_string();
    let source = format!("oci:{layout}:{image}");
    let inspected = run("skopeo", &["inspect", &source]).unwrap();
    assert!(inspected.contains("\"Layers\""), "{inspected}");
    let copy = tempfile::tempdir().unwrap();
    let target = format!("oci:{}:copy", copy.path().display());
    run("skopeo", &["copy", "-q", &source, &target]).unwrap();
    let listed = run("umoci", &["ls", "--layout", &layout]).unwrap();
    assert_eq!(listed.trim(), image);
}

#[test]
fn skopeo_and_umoci_read_an_oci_image() {
    if have(&["skopeo", "umoci"], "skopeo_and_umoci_read_an_oci_image") {
        read(&single(Family::Oci));
    }
}

#[test]
fn skopeo_and_umoci_read_a_docker_image() {
    if have(&["skopeo", "umoci"], "skopeo_and_umoci_read_a_docker_image") {
        read(&single(Family::Docker));
    }
}

#[test]
fn skopeo_and_umoci_read_an_index_of_which_one_platform_is_here() {
    if have(&["skopeo", "umoci"], "skopeo_and_umoci_read_an_index") {
        read(&demo::image());
    }
}
