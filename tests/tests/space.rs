//! `varve df`: what takes the room, and that what it calls reclaimable is what comes free, in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod wire;

use serde_json::Value;
use varve_registry::testsuite::{Fault, On, Rule};
use varve_tests::command::Varve;
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::peers::need_root;
use wire::{Wire, layer};

/// `a:1` and `b:1`, each with a layer of its own on one that they share.
fn two() -> (Fake, Varve, [String; 2]) {
    let registry = Fake::start().unwrap();
    let varve = Varve::new().unwrap();
    let names = ["a", "b"].map(|name| {
        let mut content = Content::default();
        let layers = [layer("base"), layer(name)];
        let platform = platform("linux", "amd64", "");
        content.image(Family::Oci, Packing::Gzip, &platform, &layers);
        registry.push(name, "1", &content);
        let name = format!("{}/{name}:1", registry.address());
        varve.run(&["pull", "-q", &name]).unwrap();
        name
    });
    (registry, varve, names)
}

/// The row of one type.
fn row(report: &Value, kind: &str) -> Value {
    let rows = report["rows"].as_array().unwrap();
    rows.iter().find(|row| row["type"] == kind).unwrap().clone()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap()
}

fn df(varve: &Varve) -> Value {
    varve.json(&["df", "--verbose"]).unwrap()
}

#[test]
fn what_is_reclaimable_is_what_a_prune_of_all_frees() {
    let (_registry, varve, [a, _]) = two();
    varve.run(&["tag", &a, "again:1"]).unwrap();
    let before = df(&varve);
    let images = row(&before, "Images");
    assert_eq!(
        (number(&images, "total"), number(&images, "active")),
        (2, 0),
        "names are no images"
    );
    assert_eq!(number(&row(&before, "Layers"), "total"), 3);
    assert_eq!(number(&row(&before, "Snapshots"), "total"), 3);
    assert_eq!(images["size"], images["reclaimable"]);
    assert_eq!(images["size"], before["size"], "there is nothing else");
    let would = varve.json(&["image", "prune", "-a", "--dry-run"]).unwrap();
    assert_eq!(before["reclaimable"], would["bytes"]);
    let freed = varve.json(&["image", "prune", "-a", "--force"]).unwrap();
    assert_eq!(before["reclaimable"], freed["bytes"]);
    let after = df(&varve);
    assert_eq!((number(&after, "size"), number(&after, "reclaimable")), (0, 0));
    assert_eq!(number(&row(&after, "Images"), "total"), 0);
}

#[test]
fn what_an_image_has_alone_goes_with_it_and_what_it_shares_stays() {
    let (_registry, varve, [a, b]) = two();
    let before = df(&varve);
    let images = before["images"].as_array().unwrap();
    let of = |name: &str| images.iter().find(|image| image["name"] == name).unwrap();
    let (one, other) = (of(&a), of(&b));
    for image in [one, other] {
        let sum = number(image, "sharedSize") + number(image, "uniqueSize");
        assert_eq!(number(image, "disk"), sum);
        assert!(number(image, "uniqueSize") > 0);
    }
    assert_eq!(one["sharedSize"], other["sharedSize"]);
    let all = number(one, "disk") + number(other, "uniqueSize");
    assert_eq!(all, number(&before, "size"), "what is shared is there once");
    varve.run(&["rmi", &a]).unwrap();
    let after = df(&varve);
    assert_eq!(number(&before, "size") - number(&after, "size"), number(one, "uniqueSize"));
    assert_eq!(number(&after["images"][0], "sharedSize"), 0, "nobody shares it any more");
}

#[test]
fn the_table_is_dockers_and_takes_dockers_formats() {
    let (_registry, varve, _) = two();
    let said = varve.run(&["df"]).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let header: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(header, ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
    let kinds: Vec<&str> = lines[1..6].iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["Images", "Layers", "Snapshots", "Containers", "Ingests"]);
    assert!(lines[6].contains("`varve image prune --all` and `varve gc` would free"), "{said}");
    assert_eq!(varve.run(&["system", "df"]).unwrap(), said);
    let own = ["system", "df", "--format", "{{.Type}} {{.TotalCount}}"];
    let own = varve.run(&own).unwrap();
    assert_eq!(own, "Images 2\nLayers 3\nSnapshots 3\nContainers 0\nIngests 0\n");
    let verbose = varve.run(&["df", "-v"]).unwrap();
    let header = "REPOSITORY TAG IMAGE ID CREATED SIZE SHARED SIZE UNIQUE SIZE CONTAINERS";
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(verbose.lines().any(|line| words(line) == header), "{verbose}");
}

#[test]
fn what_an_interrupted_pull_has_left_is_an_ingest() {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    registry.faults([
        Rule::new(On::Blobs, Fault::Cut(100)).times(1),
        Rule::new(On::Blobs, Fault::Status(403, None)).after(1),
    ]);
    let varve = Varve::new().unwrap();
    let name = format!("{}/demo/hello:1", registry.address());
    varve.fail(&["pull", "-q", &name]).unwrap();
    let report = df(&varve);
    let ingests = row(&report, "Ingests");
    assert!(number(&ingests, "total") > 0 && number(&ingests, "size") > 0, "{report}");
    assert_eq!(ingests["active"], ingests["total"], "a pull may resume it for a day");
    assert_eq!(number(&ingests, "reclaimable"), 0);
    assert_eq!(number(&row(&report, "Images"), "total"), 0);
}

#[test]
fn a_mounted_image_is_active_and_no_part_of_it_reclaimable() {
    if !need_root("a_mounted_image_is_active_and_no_part_of_it_reclaimable") {
        return;
    }
    let (_registry, varve, [a, b]) = two();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    varve.run(&["mount", &a, path]).unwrap();
    let report = df(&varve);
    varve.run(&["unmount", path]).unwrap();
    let images = row(&report, "Images");
    assert_eq!((number(&images, "total"), number(&images, "active")), (2, 1));
    let all = report["images"].as_array().unwrap();
    let of = |name: &str| all.iter().find(|image| image["name"] == name).unwrap();
    assert_eq!(images["reclaimable"], of(&b)["uniqueSize"]);
    assert_eq!((number(of(&a), "mounts"), number(of(&a), "containers")), (1, 0));
}

#[test]
fn a_container_keeps_its_image_and_its_own_snapshot_stands_with_it() {
    let wire = Wire::new();
    let (_registry, name) = wire.pull();
    wire.contain(&name);
    let report = df(&wire.varve);
    let count = |kind: &str| {
        let row = row(&report, kind);
        (number(&row, "total"), number(&row, "active"), number(&row, "reclaimable"))
    };
    assert_eq!(["Images", "Snapshots", "Containers"].map(count), [(1, 1, 0); 3]);
    assert_eq!(number(&report, "reclaimable"), 0);
    assert_eq!(number(&report["images"][0], "containers"), 1);
    assert_eq!(report["containers"][0]["image"], name);
}

#[test]
fn garbage_is_no_image_and_is_told_as_reclaimable_until_a_collection() {
    let wire = Wire::new();
    let (_registry, name) = wire.pull();
    wire.delete(&name);
    let report = df(&wire.varve);
    assert_eq!(number(&row(&report, "Images"), "size"), 0);
    let layers = row(&report, "Layers");
    assert_eq!((number(&layers, "total"), number(&layers, "active")), (1, 0));
    let freed = wire.varve.json(&["gc"]).unwrap();
    assert_eq!(report["reclaimable"], freed["bytes"]);
    assert_eq!(report["size"], freed["bytes"]);
}
