//! An index that lists the same child hundreds of times, and that one does, too: as a graph it is small, as a tree
//! it has no end.

use varve_core::{MediaType, Platform};
use varve_tests::command::Varve;
use varve_tests::fake::Fake;
use varve_tests::image::Content;

use crate::ends;
use crate::forge::{INDEX, MANIFEST, Parts, bytes, descriptor, index};

/// Children of each index: three indexes make a tree of sixty-four million images.
const TIMES: usize = 400;

fn graph() -> Content {
    let parts = Parts::new();
    let manifest = bytes(&parts.manifest());
    let mut child = descriptor(MANIFEST, &manifest);
    child["platform"] = serde_json::to_value(Platform::host()).unwrap();
    let mut content = parts.under(MANIFEST, manifest);
    for _ in 0..3 {
        let next = index(&vec![child; TIMES]);
        child = descriptor(INDEX, &next);
        content.manifests.push((MediaType::from(INDEX), next));
    }
    content
}

#[test]
fn no_command_takes_a_graph_of_indexes_for_a_tree() {
    let registry = Fake::start().unwrap();
    registry.push("graph", "1", &graph());
    let (varve, dir) = (Varve::new().unwrap(), tempfile::tempdir().unwrap());
    let image = format!("{}/graph:1", registry.address());
    let other = format!("{}/copy:1", registry.address());
    let file = dir.path().join("graph.tar");
    let file = file.to_str().unwrap();
    let commands: [(i32, &[&str]); 16] = [
        (0, &["plan", &image]),
        (0, &["pull", "--quiet", &image]),
        (0, &["pull", "--quiet", "--platform", "all", &image]),
        (0, &["images", "ls"]),
        (0, &["images", "--tree"]),
        (0, &["inspect", &image]),
        (0, &["history", &image]),
        (0, &["check", "--deep"]),
        (0, &["why", &image]),
        (0, &["df", "--verbose"]),
        (0, &["tag", &image, &other]),
        // To a registry it would go as the tree that it is: refused, with the bound.
        (1, &["push", &other]),
        (0, &["save", "--output", file, &image]),
        (0, &["rmi", &image, &other]),
        (0, &["gc"]),
        (0, &["load", "--input", file]),
    ];
    for (status, words) in commands {
        let told = ends(&mut varve.command(words));
        assert_eq!(told.status, Some(status), "{words:?}: {}", told.err);
        assert!(
            status == 0 || told.err.contains("more than 1088 indexes and manifests"),
            "{}",
            told.err
        );
    }
    assert!(registry.requests().len() < 200, "{} requests", registry.requests().len());
}
