//! Names of images, and their removal: in Docker's words, in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

use varve_tests::command::Varve;
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::peers::need_root;

fn pulled() -> (Fake, Varve, String) {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let image = format!("{}/demo/hello:1", registry.address());
    let varve = Varve::new().unwrap();
    varve.run(&["pull", "--quiet", &image]).unwrap();
    (registry, varve, image)
}

fn listed(varve: &Varve) -> Vec<String> {
    let rows = varve.json(&["images", "ls"]).unwrap();
    let name = |row: &serde_json::Value| row["name"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = rows.as_array().unwrap().iter().map(name).collect();
    names.sort();
    names
}

fn id(varve: &Varve) -> String {
    varve.json(&["images", "ls"]).unwrap()[0]["id"].as_str().unwrap().to_owned()
}

/// What is left of blobs and snapshots.
fn left(varve: &Varve) -> (usize, usize) {
    let count = |words: &[&str]| varve.json(words).unwrap().as_array().unwrap().len();
    (count(&["content", "ls"]), count(&["snapshots", "ls"]))
}

#[test]
fn the_last_name_takes_the_image_and_its_layers_along() {
    let (_registry, varve, image) = pulled();
    varve.run(&["tag", &image, "mine:2"]).unwrap();
    let id = id(&varve);
    assert_eq!(listed(&varve), [image.clone(), "docker.io/library/mine:2".into()]);

    let said = varve.run(&["image", "rm", &image]).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let (name, repository) = (format!("Untagged: {image}"), image.trim_end_matches(":1"));
    assert_eq!(lines[0], name);
    assert!(lines[1].starts_with(&format!("Untagged: {repository}@sha256:")), "{said}");
    assert_eq!(lines.len(), 2, "another name keeps the image: {said}");
    assert_eq!(left(&varve).1, 3);

    let said = varve.run(&["rmi", "mine:2"]).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["Untagged: mine:2", &format!("Deleted: {id}")]);
    assert_eq!(lines.len(), 5, "and three layers: {said}");
    assert_eq!(left(&varve), (0, 0));
    assert!(listed(&varve).is_empty());
}

/// What a removal says it deleted, without its kind of line: IDs and layers.
fn deleted(said: &str) -> Vec<String> {
    said.lines().filter_map(|line| line.strip_prefix("Deleted: ")).map(str::to_owned).collect()
}

#[test]
fn every_platform_that_goes_is_told_with_its_layers() {
    let (_registry, varve, image) = pulled();
    varve.run(&["pull", "--quiet", "--platform", "linux/amd64,linux/arm64", &image]).unwrap();
    let snapshots = varve.json(&["snapshots", "ls"]).unwrap();
    let name = |it: &serde_json::Value| it["name"].as_str().unwrap().to_owned();
    let snapshots: Vec<String> = snapshots.as_array().unwrap().iter().map(name).collect();
    assert_eq!(snapshots.len(), 5, "the lowest layer is the same");
    let would = varve.json(&["image", "prune", "--all", "--dry-run"]).unwrap();
    let would: Vec<&str> = would["images"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["Deleted"].as_str())
        .collect();
    let told = deleted(&varve.run(&["rmi", &image]).unwrap());
    assert_eq!(told, would);
    assert_eq!(told.len(), 2 + 5, "two IDs: {told:?}");
    assert!(snapshots.iter().all(|layer| told.contains(layer)), "{told:?}");
    assert_eq!(left(&varve), (0, 0));
}

#[test]
fn a_platform_that_another_image_has_too_is_not_told_as_deleted() {
    let (registry, varve, image) = pulled();
    varve.run(&["pull", "--quiet", "--platform", "linux/amd64,linux/arm64", &image]).unwrap();
    let alone = format!("{}/demo/alone:1", registry.address());
    varve.run(&["tag", &image, &alone]).unwrap();
    varve.run(&["push", "--quiet", "--platform", "linux/arm64", &alone]).unwrap();
    varve.run(&["pull", "--quiet", "--platform", "linux/arm64", &alone]).unwrap();
    let told = deleted(&varve.run(&["rmi", &image]).unwrap());
    assert_eq!(told.len(), 1 + 2, "amd64's ID, and what only it has: {told:?}");
    assert_eq!(listed(&varve), [alone]);
}

#[test]
fn an_image_is_removed_by_the_start_of_its_id_and_all_names_only_by_force() {
    let (_registry, varve, image) = pulled();
    varve.run(&["tag", &image, "mine:2"]).unwrap();
    let short = &id(&varve)["sha256:".len()..][..12].to_owned();
    let error = varve.fail(&["rmi", short]).unwrap();
    assert!(
        error.contains("referenced in multiple repositories") && error.contains("mine:2"),
        "{error}"
    );
    assert_eq!(listed(&varve).len(), 2, "nothing has changed");
    let said = varve.run(&["rmi", "--force", short]).unwrap();
    assert_eq!(said.matches("Untagged: ").count(), 3, "{said}");
    assert_eq!(left(&varve), (0, 0));
}

#[test]
fn a_name_that_is_not_here_is_told_and_the_others_go() {
    let (_registry, varve, image) = pulled();
    let error = varve.fail(&["rmi", "no/such:1", &image]).unwrap();
    assert!(error.contains("No such image: no/such:1"), "{error}");
    assert!(listed(&varve).is_empty());
}

#[test]
fn a_mounted_image_is_not_removed() {
    if !need_root("a_mounted_image_is_not_removed") {
        return;
    }
    let (_registry, varve, image) = pulled();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    varve.run(&["mount", &image, path]).unwrap();
    let error = varve.fail(&["rmi", &image]).unwrap();
    assert!(error.contains(&format!("the mount on {path}")), "{error}");
    assert_eq!(listed(&varve), [image.as_str()]);
    let said = varve.run(&["rmi", "--force", &image]).unwrap();
    assert!(said.starts_with(&format!("Untagged: {image}\n")), "{said}");
    assert!(!said.contains("Deleted: "), "{said}");
    assert!(listed(&varve)[0].starts_with("varve.dangling@sha256:"));
    assert!(dir.path().join("etc").is_dir() || dir.path().read_dir().unwrap().next().is_some());
    varve.run(&["unmount", path]).unwrap();
    assert!(varve.json(&["leases", "ls"]).unwrap().as_array().unwrap().is_empty());
    let dangling = listed(&varve)[0]["varve.dangling@".len()..].to_owned();
    varve.run(&["rmi", &dangling]).unwrap();
    assert_eq!(left(&varve), (0, 0));
}

#[test]
fn every_tag_of_a_repository_is_pulled_as_docker_pulls_them() {
    let registry = Fake::start().unwrap();
    for tag in ["1", "2"] {
        registry.push("demo/hello", tag, &demo::image());
    }
    let varve = Varve::new().unwrap();
    let repository = format!("{}/demo/hello", registry.address());
    let said = varve.run(&["pull", "--all-tags", &repository]).unwrap();
    let (first, second) = said.split_once("2: Pulling from demo/hello\n").unwrap();
    assert!(first.starts_with("1: Pulling from demo/hello\n"), "{said}");
    assert_eq!(first.matches(": Pull complete\n").count(), 3, "{said}");
    assert_eq!(second.matches(": Already exists\n").count(), 3, "{said}");
    assert_eq!(said.matches("Digest: sha256:").count(), 2, "{said}");
    let end = format!("\nStatus: Downloaded newer image for {repository}\n{repository}\n");
    assert!(said.ends_with(&end), "{said}");
    assert_eq!(listed(&varve).len(), 2);
    let error = varve.fail(&["pull", "-a", &format!("{repository}:1")]).unwrap();
    assert!(error.contains("--all-tags"), "{error}");
}

#[test]
fn lists_are_filtered_and_formatted_as_docker_does() {
    let (_registry, varve, image) = pulled();
    varve.run(&["tag", &image, "mine:2"]).unwrap();
    let table = varve.run(&["images", "mine"]).unwrap();
    let mut lines = table.lines();
    let header = ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"];
    assert_eq!(lines.next().unwrap().split_whitespace().collect::<Vec<_>>(), header);
    assert_eq!(lines.next().unwrap().split_whitespace().next(), Some("mine"));
    assert_eq!(lines.next(), None);
    let names = |filters: &[&str]| {
        let mut words = vec!["images", "--format", "{{.Repository}}:{{.Tag}}"];
        filters.iter().for_each(|filter| words.extend(["--filter", filter]));
        let said = varve.run(&words).unwrap();
        said.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&["reference=mine"]), ["mine:2"]);
    assert_eq!(names(&["dangling=true"]), [""; 0]);
    assert_eq!(names(&["dangling=false"]).len(), 2);
    assert_eq!(names(&["label=no.such"]), [""; 0]);
    let ids = varve.run(&["images", "--quiet", "--no-trunc"]).unwrap();
    assert_eq!(ids, format!("{}\n", id(&varve)).repeat(2), "two names of one image, one ID");
    for bad in [["--filter", "frob=1"], ["--filter", "x"], ["--format", "{{.Frob}}"]] {
        let error = varve.fail(&[&["images"], &bad[..]].concat()).unwrap();
        assert!(
            ["there is no field", "Invalid filter 'frob'", "want KEY=VALUE"]
                .iter()
                .any(|it| error.contains(it)),
            "{error}"
        );
    }
}

#[test]
fn an_image_is_inspected_and_its_history_told() {
    let (_registry, varve, image) = pulled();
    let said = varve.run(&["inspect", &image]).unwrap();
    let all: serde_json::Value = serde_json::from_str(&said).unwrap();
    let one = &all[0];
    assert_eq!(one["Id"], id(&varve));
    assert_eq!(one["RepoTags"], serde_json::json!([image]));
    let digest = one["RepoDigests"][0].as_str().unwrap();
    assert!(digest.starts_with(&format!("{}@sha256:", image.trim_end_matches(":1"))), "{digest}");
    assert_eq!(one["RootFS"]["Layers"].as_array().unwrap().len(), 3);
    let short = &id(&varve)["sha256:".len()..][..12];
    let format = "{{.Os}} {{len .RootFS.Layers}} {{index .RepoTags 0}}";
    let said = varve.run(&["image", "inspect", "--format", format, short]).unwrap();
    assert_eq!(said, format!("linux 3 {image}\n"));

    let said = varve.run(&["history", "--format", "{{.ID}} {{.Size}}", &image]).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() >= 3, "{said}");
    assert!(lines[0].starts_with(short), "{said}");
    assert!(lines[1..].iter().all(|line| line.starts_with("<missing> ")), "{said}");
    let error = varve.fail(&["inspect", "no/such"]).unwrap();
    assert!(error.contains("No such object: no/such"), "{error}");
}
