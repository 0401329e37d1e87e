//! A name with a tag and a digest: the digest decides, and a tag that says otherwise is refused. At the registry in
//! this process, at Docker's own, and in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

use varve_core::Digest;
use varve_tests::command::Varve;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;
use varve_tests::peers::have;
use varve_tests::registry::Registry;

/// An image of one layer.
fn one(text: &str) -> Content {
    let mut content = Content::default();
    let layer = Layer::new().file("file", 0o644, text.as_bytes()).finish();
    content.image(Family::Oci, Packing::Gzip, &platform("linux", "amd64", ""), &[layer]);
    content
}

fn digest(content: &Content) -> String {
    Digest::of(&content.manifests[0].1).to_string()
}

fn count(varve: &Varve, words: &[&str]) -> usize {
    varve.json(words).unwrap().as_array().unwrap().len()
}

/// What holds at a registry at `address`, which `push` puts an image into, under a tag.
fn holds(address: &str, push: impl Fn(&str, &Content)) {
    let (old, new) = (one("old"), one("new"));
    push("moving", &old);
    push("moving", &new);
    let (varve, repository) = (Varve::new().unwrap(), format!("{address}/lab/image"));
    let (was, is) = (digest(&old), digest(&new));
    let contradicts = format!("{repository}:moving@{was}");
    for command in ["pull", "plan"] {
        let error = varve.fail(&[command, &contradicts]).unwrap();
        let said = format!("{repository}:moving is {is} and not {was}; leave out the tag");
        assert!(error.contains(&said), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    for list in ["images", "content", "leases", "snapshots"] {
        assert_eq!(count(&varve, &[list, "ls"]), 0, "{list}");
    }
    for (name, want) in [
        (format!("{repository}:moving@{is}"), &is),
        (format!("{repository}@{was}"), &was),
        // What is gone contradicts nothing.
        (format!("{repository}:gone@{was}"), &was),
    ] {
        assert_eq!(varve.json(&["pull", &name]).unwrap()["digest"], **want, "{name}");
    }
    // That it is here already does not make it true.
    assert!(varve.fail(&["pull", &contradicts]).unwrap().contains("leave out the tag"));
}

#[test]
fn a_tag_that_contradicts_its_digest_is_refused() {
    let registry = Fake::start().unwrap();
    holds(registry.address(), |tag, content| registry.push("lab/image", tag, content));
}

#[test]
fn a_tag_that_contradicts_its_digest_is_refused_at_dockers_own_registry() {
    if !have(&["docker-registry"], "a_tag_that_contradicts_its_digest_is_refused") {
        return;
    }
    let registry = Registry::start().unwrap();
    holds(registry.address(), |tag, content| registry.push("lab/image", tag, content).unwrap());
}
