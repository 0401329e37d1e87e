//! `varve plan`: what a pull would do, told without doing it, in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

use serde_json::Value;
use varve_tests::command::Varve;
use varve_tests::demo;
use varve_tests::fake::Fake;

fn demo() -> (Fake, Varve, String) {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let image = format!("{}/demo/hello:1", registry.address());
    (registry, Varve::new().unwrap(), image)
}

fn count(varve: &Varve, words: &[&str]) -> usize {
    varve.json(words).unwrap().as_array().unwrap().len()
}

/// Whatever a pull could have left.
fn left(varve: &Varve) -> [usize; 5] {
    [
        &["images", "ls"],
        &["content", "ls"],
        &["content", "active"],
        &["snapshots", "ls"],
        &["leases", "ls"],
    ]
    .map(|words| count(varve, words))
}

fn flags(plan: &Value, name: &str) -> Vec<bool> {
    plan["layers"].as_array().unwrap().iter().map(|it| it[name].as_bool().unwrap()).collect()
}

#[test]
fn a_plan_tells_to_the_byte_what_the_pull_then_downloads_and_changes_nothing() {
    let (registry, varve, image) = demo();
    let plan = varve.json(&["plan", &image]).unwrap();
    assert_eq!(left(&varve), [0; 5], "nothing is here after it");
    assert_eq!(registry.blob_requests(), 1, "the config, and no layer");
    assert_eq!(
        plan["offered"],
        serde_json::json!(["linux/amd64", "linux/arm64/v8", "linux/arm/v7"])
    );
    assert_eq!(
        (plan["platform"].as_str(), plan["why"].as_str()),
        (Some("linux/amd64"), Some("as this machine is"))
    );
    assert_eq!(
        (flags(&plan, "downloaded"), flags(&plan, "unpacked")),
        (vec![false; 3], vec![false; 3])
    );
    let pulled = varve.json(&["pull", &image]).unwrap();
    assert_eq!((&plan["id"], &plan["digest"]), (&pulled["id"], &pulled["digest"]));
    let blobs = varve.json(&["content", "ls"]).unwrap();
    let came: u64 = blobs.as_array().unwrap().iter().map(|it| it["size"].as_u64().unwrap()).sum();
    assert_eq!(plan["download"].as_u64(), Some(came));
}

#[test]
fn a_plan_knows_the_layers_that_are_here_and_when_there_is_nothing_to_do() {
    let (_registry, varve, image) = demo();
    varve.run(&["pull", "-q", &image]).unwrap();
    let before = left(&varve);
    let said = varve.run(&["plan", &image]).unwrap();
    assert!(said.contains("Status:      up to date: a pull has nothing to do\n"), "{said}");
    assert!(said.contains("Download:    0B\n"), "{said}");
    let plan = varve.json(&["plan", "--platform", "linux/arm64", &image]).unwrap();
    assert_eq!(flags(&plan, "downloaded"), [true, false, true], "the middle one is its own");
    assert_eq!(flags(&plan, "unpacked"), [true, false, false]);
    assert_eq!(plan["why"], "as it was asked for");
    assert_eq!(left(&varve), before);
}

#[test]
fn a_plan_for_what_is_not_there_fails_as_the_pull_would() {
    let (registry, varve, image) = demo();
    let error = varve.fail(&["plan", "--platform", "linux/s390x", &image]).unwrap();
    assert!(error.contains("linux/s390x") && error.contains("linux/arm/v7"), "{error}");
    let error = varve.fail(&["plan", &format!("{}/none:1", registry.address())]).unwrap();
    assert!(error.contains("not found"), "{error}");
    assert_eq!(left(&varve), [0; 5]);
}
