//! `varve why`: the way from each root to what it keeps, in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod wire;

use serde_json::Value;
use varve_tests::command::Varve;
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::peers::need_root;
use wire::Wire;

/// `demo/hello:1`, with all of its platforms.
fn pulled() -> (Fake, Varve, String) {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let image = format!("{}/demo/hello:1", registry.address());
    let varve = Varve::new().unwrap();
    varve.run(&["pull", "-q", "--platform", "all", &image]).unwrap();
    (registry, varve, image)
}

/// What there is to tell of the only thing of that name.
fn why(varve: &Varve, what: &str) -> Value {
    let told = varve.json(&["why", what]).unwrap();
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    told[0].clone()
}

/// `root` and the edges of its way.
fn ways(told: &Value) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let steps =
        |way: &Value| way["steps"].as_array().unwrap().iter().map(|it| text(&it["by"])).collect();
    let root =
        |way: &Value| format!("{} {}", text(&way["root"]["kind"]), text(&way["root"]["name"]));
    told["ways"].as_array().unwrap().iter().map(|way| (root(way), steps(way))).collect()
}

fn labelled(varve: &Varve, list: &[&str], label: &str) -> Vec<Value> {
    let rows = varve.json(list).unwrap();
    let has = |row: &&Value| row["labels"].get(label).is_some();
    rows.as_array().unwrap().iter().filter(has).cloned().collect()
}

#[test]
fn a_layer_is_kept_by_the_name_through_index_and_manifest() {
    let (_registry, varve, image) = pulled();
    let manifest = &labelled(&varve, &["content", "ls"], "containerd.io/gc.ref.content.l.1")[0];
    let layer = manifest["labels"]["containerd.io/gc.ref.content.l.1"].as_str().unwrap();
    let short = &layer["sha256:".len()..][..12];
    let told = why(&varve, short);
    assert_eq!((told["kind"].as_str(), told["name"].as_str()), (Some("blob"), Some(layer)));
    let [(root, edges)] = &ways(&told)[..] else { panic!("{told}") };
    assert_eq!(*root, format!("image {image}"));
    assert_eq!(edges[0], "target");
    assert!(edges[1].starts_with("containerd.io/gc.ref.content.m."), "{edges:?}");
    assert_eq!(edges[2..], ["containerd.io/gc.ref.content.l.1"]);
    let said = varve.run(&["why", short]).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with(&format!("blob {layer} (")), "{said}");
    assert_eq!(lines[1], format!("image {image}"));
    assert!(lines[2].starts_with("└─ target: blob sha256:"), "{said}");
    let last = format!("      └─ containerd.io/gc.ref.content.l.1: blob {layer}");
    assert_eq!(lines[4..], [last]);
}

#[test]
fn the_lowest_snapshot_is_kept_by_those_on_it_and_they_by_the_config() {
    let (_registry, varve, image) = pulled();
    let snapshots = varve.json(&["snapshots", "ls"]).unwrap();
    let lowest = snapshots.as_array().unwrap().iter().find(|it| it["parent"].is_null()).unwrap();
    let told = why(&varve, lowest["name"].as_str().unwrap());
    assert_eq!(told["kind"], "snapshot");
    let [(root, edges)] = &ways(&told)[..] else { panic!("{told}") };
    assert_eq!(*root, format!("image {image}"));
    assert_eq!(edges[2], "containerd.io/gc.ref.content.config");
    assert!(edges[3].starts_with("containerd.io/gc.ref.snapshot."), "{edges:?}");
    assert_eq!(edges[4..], ["parent", "parent"]);
}

#[test]
fn an_image_is_meant_by_its_name_and_by_its_id_and_each_of_its_names_is_told() {
    let (_registry, varve, image) = pulled();
    for n in 0..11 {
        varve.run(&["tag", &image, &format!("more:{n}")]).unwrap();
    }
    let told = why(&varve, "more:3");
    assert_eq!(ways(&told).len(), 10, "no more than ten are told");
    assert_eq!(told["more"], 2);
    assert!(varve.run(&["why", &image]).unwrap().ends_with("\nand 2 more\n"));
    let id = varve.json(&["images", "ls"]).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let told = why(&varve, &id["sha256:".len()..][..12]);
    assert_eq!(told["name"].as_str(), Some(&*id));
    assert_eq!(ways(&told)[0].1.last().unwrap(), "containerd.io/gc.ref.content.config");
}

#[test]
fn what_is_ambiguous_is_refused_with_candidates_and_what_is_not_here_is_not_found() {
    let (_registry, varve, _) = pulled();
    // More than sixteen things, so that two begin with the same digit.
    let digits = |list: &[&str], field: &str| -> Vec<String> {
        let rows = varve.json(list).unwrap();
        let first = |row: &Value| row[field].as_str().unwrap()["sha256:".len()..][..1].to_owned();
        rows.as_array().unwrap().iter().map(first).collect()
    };
    let mut all = digits(&["content", "ls"], "digest");
    all.extend(digits(&["snapshots", "ls"], "name"));
    all.sort();
    let twice = all.windows(2).find(|two| two[0] == two[1]).unwrap()[0].clone();
    let error = varve.fail(&["why", &twice]).unwrap();
    assert!(error.contains(&format!("{twice}: several begin so: ")), "{error}");
    let many = error.matches("blob ").count() + error.matches("snapshot ").count();
    assert!(many >= 2, "{error}");
    let error = varve.fail(&["why", "no-such"]).unwrap();
    assert!(error.contains("no-such: no blob, no snapshot and no image here begins so"), "{error}");
}

#[test]
fn a_mount_keeps_what_lost_its_name() {
    if !need_root("a_mount_keeps_what_lost_its_name") {
        return;
    }
    let (_registry, varve, image) = pulled();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    varve.run(&["mount", &image, path]).unwrap();
    let snapshots = varve.json(&["snapshots", "ls", "kind==view"]).unwrap();
    let told = why(&varve, snapshots[0]["parent"].as_str().unwrap());
    let index = why(&varve, &image);
    varve.run(&["unmount", path]).unwrap();
    let mount = format!("mount {path}");
    let view = vec!["containerd.io/gc.root".to_owned(), "parent".to_owned()];
    assert_eq!(ways(&told)[0], (mount.clone(), view), "the nearest first");
    assert_eq!(ways(&index)[1], (mount, vec!["holds".to_owned()]), "by its lease");
}

#[test]
fn a_container_a_lease_and_its_end_are_told_and_then_nothing() {
    let wire = Wire::new();
    let (_registry, name) = wire.pull();
    wire.contain(&name);
    let snapshots = wire.varve.json(&["snapshots", "ls", "--snapshotter", "native"]).unwrap();
    let all = snapshots.as_array().unwrap();
    let layer = all.iter().find(|it| it["parent"].is_null()).unwrap()["name"].as_str().unwrap();
    let told = why(&wire.varve, layer);
    assert_eq!(ways(&told)[0].0, "container box");
    assert_eq!(ways(&told)[0].1, ["snapshot", "parent"]);
    assert_eq!(ways(&told)[1].0, format!("image {name}"));

    let manifest = why(&wire.varve, &name)["name"].as_str().unwrap().to_owned();
    let config =
        &labelled(&wire.varve, &["content", "ls"], "containerd.io/gc.ref.snapshot.native")[0];
    let config = config["digest"].as_str().unwrap();
    let end = varve_core::time::now().checked_add(std::time::Duration::from_secs(3600)).unwrap();
    wire.lease("hour", &[("containerd.io/gc.expire", &end.to_string())], &manifest);
    wire.lease("over", &[("containerd.io/gc.expire", "2020-01-01T00:00:00Z")], &manifest);
    wire.lease("flat", &[("containerd.io/gc.flat", "1")], &manifest);
    wire.delete(&name);
    let roots = |told: &Value| ways(told).into_iter().map(|(root, _)| root).collect::<Vec<_>>();
    assert_eq!(roots(&why(&wire.varve, &manifest)), ["lease flat", "lease hour"]);
    let told = why(&wire.varve, config);
    assert_eq!(roots(&told), ["lease hour"], "a flat one keeps only what it holds");
    assert_eq!(told["ways"][0]["root"]["ends"], end.to_string());
    let said = wire.varve.run(&["why", config]).unwrap();
    assert!(said.contains("\nlease hour, ends in "), "{said}");
}

#[test]
fn what_nothing_keeps_is_the_next_collections() {
    let wire = Wire::new();
    let (_registry, name) = wire.pull();
    let manifest = why(&wire.varve, &name)["name"].as_str().unwrap().to_owned();
    wire.delete(&name);
    let told = why(&wire.varve, &manifest);
    assert_eq!((told["ways"].as_array().unwrap().len(), &told["collected"]), (0, &true.into()));
    let said = wire.varve.run(&["why", &manifest]).unwrap();
    assert!(said.ends_with("\nnothing: the next gc takes it\n"), "{said}");
    wire.varve.run(&["gc"]).unwrap();
    wire.varve.fail(&["why", &manifest]).unwrap();
}
