//! `varve image prune` and `varve images ls --tree`: what goes, what stays, and what it frees, in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

use serde_json::Value;
use varve_tests::command::Varve;
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;
use varve_tests::peers::need_root;

/// An image of one layer.
fn one(text: &str) -> Content {
    let mut content = Content::default();
    let layer = Layer::new().file("file", 0o644, text.repeat(5_000).as_bytes()).finish();
    content.image(Family::Oci, Packing::Gzip, &platform("linux", "amd64", ""), &[layer]);
    content
}

/// `moving:1`, which was another image before, and `demo/hello:1`.
fn moved() -> (Fake, Varve, String, String) {
    let registry = Fake::start().unwrap();
    let varve = Varve::new().unwrap();
    let moving = format!("{}/moving:1", registry.address());
    let hello = format!("{}/demo/hello:1", registry.address());
    registry.push("moving", "1", &one("old"));
    varve.run(&["pull", "-q", &moving]).unwrap();
    registry.push("moving", "1", &one("new"));
    varve.run(&["pull", "-q", &moving]).unwrap();
    registry.push("demo/hello", "1", &demo::image());
    varve.run(&["pull", "-q", &hello]).unwrap();
    (registry, varve, moving, hello)
}

fn names(varve: &Varve) -> Vec<String> {
    let said = varve.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).unwrap();
    let mut names: Vec<String> = said.lines().map(str::to_owned).collect();
    names.sort();
    names
}

/// Bytes of all blobs.
fn blobs(varve: &Varve) -> u64 {
    let rows = varve.json(&["content", "ls"]).unwrap();
    rows.as_array().unwrap().iter().map(|row| row["size"].as_u64().unwrap()).sum()
}

fn bytes(report: &Value) -> u64 {
    report["bytes"].as_u64().unwrap()
}

#[test]
fn a_prune_takes_what_lost_its_name_and_frees_what_it_said() {
    let (_registry, varve, moving, hello) = moved();
    assert_eq!(names(&varve), [hello.clone(), moving.clone(), "<none>:<none>".into()].sorted());
    let before = blobs(&varve);
    let would = varve.json(&["image", "prune", "--dry-run"]).unwrap();
    assert_eq!(blobs(&varve), before, "nothing has changed");
    let done = varve.json(&["image", "prune", "--force"]).unwrap();
    assert_eq!((bytes(&would), &would["images"]), (bytes(&done), &done["images"]));
    assert!(bytes(&done) > before - blobs(&varve), "what was unpacked goes, too");
    assert_eq!(names(&varve), [hello, moving].sorted());
    let again = varve.run(&["prune", "--force"]).unwrap();
    assert_eq!(again, "Total reclaimed space: 0B\n");
}

#[test]
fn nothing_goes_without_a_yes() {
    let (_registry, varve, ..) = moved();
    // Its input is empty.
    let said = varve.run(&["image", "prune"]).unwrap();
    assert!(said.starts_with("WARNING! This will remove all dangling images.\n"), "{said}");
    assert!(said.ends_with("Are you sure you want to continue? [y/N] "), "{said}");
    assert_eq!(names(&varve).len(), 3);
    let error = varve.fail(&["image", "prune", "-o", "json"]).unwrap();
    assert!(error.contains("--force"), "{error}");
}

#[test]
fn filters_choose_what_a_prune_of_all_takes() {
    let (_registry, varve, _, hello) = moved();
    for filter in ["until=2020-01-01", "label=none", "label!=none"] {
        let would = ["image", "prune", "--all", "--dry-run", "--filter", filter];
        let would = varve.json(&would).unwrap();
        let any = !would["images"].as_array().unwrap().is_empty();
        assert_eq!(any, filter == "label!=none", "{filter}");
    }
    let error = varve.fail(&["prune", "-f", "--filter", "before=x"]).unwrap();
    assert!(error.contains("there are label, label! and until"), "{error}");
    let would = varve.run(&["prune", "-a", "--dry-run"]).unwrap();
    let gc = bytes(&varve.json(&["gc", "--dry-run"]).unwrap());
    assert_eq!(gc, 0, "without the prune nothing would go");
    let said = varve.run(&["prune", "-a", "-f"]).unwrap();
    assert!(said.contains("Deleted Images:\n"), "{said}");
    assert!(said.contains(&format!("\nuntagged: {hello}\n")), "{said}");
    let told = would.replace("Images that would be deleted:", "Deleted Images:");
    assert_eq!(told.replace("Would reclaim:", "Total reclaimed space:"), said);
    assert_eq!(blobs(&varve), 0);
}

#[test]
fn a_mounted_image_outlives_a_prune_of_all() {
    if !need_root("a_mounted_image_outlives_a_prune_of_all") {
        return;
    }
    let (_registry, varve, moving, hello) = moved();
    varve.run(&["tag", &moving, "mine:2"]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    varve.run(&["mount", "mine:2", path]).unwrap();
    let said = varve.run(&["image", "prune", "-a", "-f"]).unwrap();
    assert!(said.contains(&hello), "{said}");
    assert_eq!(names(&varve), [moving, "mine:2".into()].sorted(), "all names of what is used");
    varve.run(&["unmount", path]).unwrap();
}

#[test]
fn a_tree_shows_each_platform_and_whether_it_is_here() {
    let registry = Fake::start().unwrap();
    let varve = Varve::new().unwrap();
    let hello = format!("{}/demo/hello:1", registry.address());
    registry.push("demo/hello", "1", &demo::image());
    varve.run(&["pull", "-q", "--platform", "linux/arm64", &hello]).unwrap();
    let said = varve.run(&["images", "--tree"]).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[1].starts_with(&hello), "{said}");
    assert!(lines[2].starts_with("├─ linux/amd64") && lines[2].ends_with("not here"), "{said}");
    assert!(lines[3].starts_with("├─ linux/arm64") && !lines[3].contains("not here"), "{said}");
    assert!(lines[4].starts_with("└─ linux/arm/v7") && lines[4].ends_with("not here"), "{said}");
    let tree: Value = varve.json(&["images", "--tree"]).unwrap();
    let here: Vec<bool> = tree[0]["children"]
        .as_array()
        .unwrap()
        .iter()
        .map(|child| child["here"].as_bool().unwrap())
        .collect();
    assert_eq!(here, [false, true, false]);
}

trait Sorted {
    fn sorted(self) -> Vec<String>;
}

impl<const N: usize> Sorted for [String; N] {
    fn sorted(self) -> Vec<String> {
        let mut all = self.to_vec();
        all.sort();
        all
    }
}
