//! `varve check`: what is not whole is told, and what it says to do makes it whole, in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod wire;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use varve_registry::testsuite::{Fault, On, Rule};
use varve_tests::command::{Varve, text};
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use wire::Wire;

fn pulled() -> (Fake, Varve, String) {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let image = format!("{}/demo/hello:1", registry.address());
    let varve = Varve::new().unwrap();
    varve.run(&["pull", "-q", &image]).unwrap();
    (registry, varve, image)
}

/// What a check that finds something says on stdout; its exit status is 1, and stderr has nothing.
fn problems(varve: &Varve, words: &[&str]) -> Vec<String> {
    let output = varve.output(&[&["check"], words].concat()).unwrap();
    let said = text(&output.stdout);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), String::new()), "{said}");
    said.lines().map(str::to_owned).collect()
}

fn is_whole(varve: &Varve, words: &[&str]) {
    let said = varve.run(&[&["check"], words].concat()).unwrap();
    assert!(said.lines().count() == 1 && said.ends_with(": whole\n"), "{said}");
}

/// Does what a line says, word by word.
fn follow(varve: &Varve, line: &str) {
    for command in line.split('`').skip(1).step_by(2) {
        let words: Vec<&str> = command.strip_prefix("varve ").unwrap().split(' ').collect();
        let output = varve.output(&words).unwrap();
        // A check that repairs tells what it found.
        assert!(output.status.success() || words[0] == "check", "{command}: {output:?}");
    }
}

/// The digest that a label of a blob refers to.
fn labelled(varve: &Varve, label: &str) -> String {
    let rows = varve.json(&["content", "ls"]).unwrap();
    let all = rows.as_array().unwrap().iter();
    let mut found = all.filter_map(|row| row["labels"].get(label)?.as_str().map(str::to_owned));
    found.next().unwrap()
}

fn layer(varve: &Varve) -> String {
    labelled(varve, "containerd.io/gc.ref.content.l.1")
}

fn file(varve: &Varve, digest: &str) -> PathBuf {
    varve.layout().join("blobs/sha256").join(&digest["sha256:".len()..])
}

#[test]
fn what_was_pulled_is_whole_and_other_platforms_are_no_problem() {
    let (_registry, varve, image) = pulled();
    let said = varve.run(&["check", "--deep"]).unwrap();
    assert!(
        said.starts_with("1 image, 6 blobs (") && said.contains(" hashed), 3 snapshots"),
        "{said}"
    );
    is_whole(&varve, &[&image]);
    let report: Value = varve.json(&["check"]).unwrap();
    assert_eq!((&report["images"], &report["blobs"]), (&1.into(), &6.into()));
    assert_eq!(report["problems"], serde_json::json!([]));
    let error = varve.fail(&["check", "no/such"]).unwrap();
    assert!(error.contains("No such image: no/such"), "{error}");
}

#[test]
fn a_lost_file_is_found_and_comes_again() {
    let (_registry, varve, image) = pulled();
    let digest = layer(&varve);
    fs::remove_file(file(&varve, &digest)).unwrap();
    let lines = problems(&varve, &[]);
    let line = format!(
        "{image}: layer {digest}: its file is missing; `varve check --repair` takes it out; then pull it \
         again: `varve pull {image}`"
    );
    assert_eq!(lines[0], line);
    assert_eq!(lines[1..], ["1 image, 6 blobs, 3 snapshots: 1 problem"]);
    follow(&varve, &line);
    is_whole(&varve, &["--deep"]);
}

#[test]
fn bytes_that_rot_are_found_by_their_hash_alone() {
    let (_registry, varve, image) = pulled();
    varve.run(&["tag", &image, "mine:2"]).unwrap();
    let digest = layer(&varve);
    let path = file(&varve, &digest);
    let mut bytes = fs::read(&path).unwrap();
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    bytes[20] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::File::open(&path).unwrap().set_modified(written).unwrap();
    is_whole(&varve, &[]);
    let lines = problems(&varve, &["--deep"]);
    let begin = format!("{image}: layer {digest}: has other bytes, which hash to sha256:");
    assert!(lines[0].starts_with(&begin), "by the name that it came by: {lines:?}");
    follow(&varve, &lines[0]);
    is_whole(&varve, &["--deep"]);
}

#[test]
fn every_document_may_be_lost() {
    for label in ["config", "m.0"] {
        let (_registry, varve, _) = pulled();
        let digest = labelled(&varve, &format!("containerd.io/gc.ref.content.{label}"));
        fs::remove_file(file(&varve, &digest)).unwrap();
        let lines = problems(&varve, &[]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains(&format!("{digest}: its file is missing; ")), "{lines:?}");
        follow(&varve, &lines[0]);
        is_whole(&varve, &["--deep"]);
    }
}

#[test]
fn a_platform_is_demanded_and_an_interrupted_pull_of_another_is_no_problem() {
    let (registry, varve, image) = pulled();
    let lines = problems(&varve, &["--platform", "linux/arm64", &image]);
    assert!(
        lines[0].ends_with(&format!("`varve pull --platform linux/arm64/v8 {image}`")),
        "{lines:?}"
    );
    registry.faults([Rule::new(On::Blobs, Fault::Status(403, None))]);
    varve.fail(&["pull", "-q", "--platform", "linux/arm64", &image]).unwrap();
    is_whole(&varve, &[]);
    registry.faults([]);
    follow(&varve, &lines[0]);
    is_whole(&varve, &["--platform", "linux/arm64"]);
}

#[test]
fn a_blob_and_a_snapshot_that_others_removed_come_again() {
    let wire = Wire::new();
    let (_registry, image) = wire.pull();
    let config = labelled(&wire.varve, "containerd.io/gc.ref.content.config");
    let snapshot = labelled(&wire.varve, "containerd.io/gc.ref.snapshot.native");
    wire.remove_snapshot(&snapshot);
    let lines = problems(&wire.varve, &[]);
    let what = format!("is not unpacked in native (snapshot {snapshot}); pull it again: ");
    let advice = format!("{what}`varve pull --snapshotter native {image}`");
    assert!(lines[0].ends_with(&advice), "{lines:?}");
    follow(&wire.varve, &lines[0]);
    is_whole(&wire.varve, &[]);
    wire.delete_blob(&config);
    let lines = problems(&wire.varve, &[]);
    let line =
        format!("{image}: config {config}: is not here; pull it again: `varve pull {image}`");
    assert_eq!(lines[0], line);
    follow(&wire.varve, &line);
    is_whole(&wire.varve, &[]);
}

#[test]
fn what_has_no_name_any_more_can_only_be_removed() {
    let (registry, varve, image) = pulled();
    let digest = layer(&varve);
    let mut other = Content::default();
    let platform = platform("linux", "amd64", "");
    other.image(Family::Oci, Packing::Gzip, &platform, &[wire::layer("other")]);
    registry.push("demo/hello", "1", &other);
    varve.run(&["pull", "-q", &image]).unwrap();
    fs::remove_file(file(&varve, &digest)).unwrap();
    let lines = problems(&varve, &["--repair"]);
    assert!(
        lines[0].contains("; it was taken out; it has no name to be pulled by: `varve rmi "),
        "{lines:?}"
    );
    follow(&varve, &lines[0]);
    is_whole(&varve, &["--deep"]);
}
