//! Images into archives and out of them again: between roots, and between Varve and other tools, in every
//! topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use varve_tests::bundle::{self, Small};
use varve_tests::command::{Varve, text};
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::odd;
use varve_tests::peers::{have, run};

/// A store with the demo image of some platforms, and the image's name.
fn pulled(platforms: &str) -> (Fake, Varve, String) {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    let image = format!("{}/demo/hello:1", registry.address());
    let varve = Varve::new().unwrap();
    varve.run(&["pull", "-q", "--platform", platforms, &image]).unwrap();
    (registry, varve, image)
}

fn single(family: Family, packing: Packing) -> Content {
    let mut content = Content::default();
    content.image(family, packing, &platform("linux", "amd64", ""), &odd::layers());
    content
}

fn temporary() -> TempDir {
    tempfile::Builder::new().prefix("varve-archives-").tempdir().unwrap()
}

fn path(dir: &TempDir, name: &str) -> String {
    dir.path().join(name).display().to_string()
}

/// Runs it with the file as its standard input.
fn load_stdin(varve: &Varve, file: &Path, words: &[&str]) -> String {
    let mut command = varve.command(words);
    let output = command.stdin(File::open(file).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Digest and ID of the only image.
fn only(varve: &Varve) -> (String, String) {
    let rows = varve.json(&["images", "ls"]).unwrap();
    let [row] = &rows.as_array().unwrap()[..] else { panic!("{rows}") };
    let of = |key: &str| row[key].as_str().unwrap().to_owned();
    (of("digest"), of("id"))
}

fn count(varve: &Varve, words: &[&str]) -> usize {
    varve.json(words).unwrap().as_array().unwrap().len()
}

#[test]
fn what_is_saved_loads_as_the_same_image_and_is_the_same_archive_each_time() {
    let (_registry, varve, image) = pulled("all");
    let dir = temporary();
    let (first, second) = (path(&dir, "first.tar"), path(&dir, "second.tar"));
    assert_eq!(varve.run(&["save", "-o", &first, &image]).unwrap(), "");
    let mut piped = varve.command(&["save", &image]);
    assert!(piped.stdout(File::create(&second).unwrap()).status().unwrap().success());
    let bytes = fs::read(&first).unwrap();
    assert!(bytes == fs::read(&second).unwrap(), "the same image is the same archive");

    let other = Varve::new().unwrap();
    let said = other.run(&["load", "--input", &first]).unwrap();
    assert_eq!(said, format!("Loaded image: {image}\n"));
    assert_eq!(only(&other), only(&varve));
    assert_eq!(count(&other, &["content", "ls"]), count(&varve, &["content", "ls"]));
    assert_eq!(count(&other, &["snapshots", "ls"]), 3, "this machine's platform is unpacked");
    assert_eq!(count(&other, &["leases", "ls"]), 0);
    let third = path(&dir, "third.tar");
    other.run(&["save", "-o", &third, &image]).unwrap();
    assert!(bytes == fs::read(&third).unwrap(), "nothing got lost on the way");
    other.run(&["rmi", &image]).unwrap();
    assert_eq!(count(&other, &["content", "ls"]), 0, "every blob hangs on its image");
}

#[test]
fn an_archive_is_loaded_from_a_pipe_and_compressed_and_a_second_time_without_a_change() {
    let (_registry, varve, image) = pulled("linux/amd64,linux/arm64");
    let dir = temporary();
    let file = path(&dir, "image.tar");
    varve.run(&["save", "-o", &file, &image]).unwrap();
    let plain = fs::read(&file).unwrap();
    let mut digests = Vec::new();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let packed = dir.path().join("packed");
        fs::write(&packed, packing.pack(&plain)).unwrap();
        let other = Varve::new().unwrap();
        let said = load_stdin(&other, &packed, &["load", "--quiet"]);
        assert_eq!(said, format!("Loaded image: {image}\n"), "{packing:?}");
        let again = other.json(&["load", "-i", packed.to_str().unwrap()]).unwrap();
        assert_eq!(again[0]["upToDate"], true, "{again}");
        assert_eq!(again[0]["platforms"], serde_json::json!(["linux/amd64", "linux/arm64/v8"]));
        assert_eq!(count(&other, &["content", "active"]), 0);
        digests.push(only(&other));
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[test]
fn several_images_share_their_blobs_and_one_meant_by_its_id_has_no_name() {
    let (registry, varve, image) = pulled("linux/amd64");
    registry.push("demo/odd", "2", &single(Family::Docker, Packing::Gzip));
    let odd = format!("{}/demo/odd:2", registry.address());
    varve.run(&["pull", "-q", &odd]).unwrap();
    varve.run(&["tag", &odd, "mine:1"]).unwrap();
    let dir = temporary();
    let file = path(&dir, "images.tar");
    varve.run(&["save", "-o", &file, &odd, &image, "mine:1"]).unwrap();
    let listing = run("tar", &["tf", &file]).unwrap();
    let mut names: Vec<&str> = listing.lines().collect();
    names.dedup();
    assert!(names.is_sorted() && names.len() == listing.lines().count(), "{listing}");
    let other = Varve::new().unwrap();
    let said = other.run(&["load", "-i", &file]).unwrap();
    let loaded = |name: &str| format!("Loaded image: {name}\n");
    assert_eq!(said, loaded(&odd) + &loaded("mine:1") + &loaded(&image));

    let id = varve.json(&["inspect", &odd]).unwrap()[0]["Id"].as_str().unwrap().to_owned();
    varve.run(&["save", "-o", &file, &id]).unwrap();
    let third = Varve::new().unwrap();
    for _ in 0..2 {
        let said = third.run(&["load", "-i", &file]).unwrap();
        assert_eq!(said, format!("Loaded image ID: {id}\n"));
        assert_eq!(only(&third).1, id);
    }
}

#[test]
fn an_index_of_which_some_is_missing_is_saved_reduced_or_completed() {
    let (registry, varve, image) = pulled("linux/amd64,linux/arm64");
    let dir = temporary();
    let file = path(&dir, "some.tar");
    let output = varve.output(&["save", "-o", &file, &image]).unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("2 of 3 platforms are here"), "{said}");
    let before = only(&varve);
    varve.run(&["load", "-i", &file]).unwrap();
    assert_eq!(only(&varve), before, "a part of what a name has takes the name from nobody");

    let error = varve.fail(&["save", "-o", &file, "--platform", "arm", &image]).unwrap();
    assert!(error.contains("linux/arm/v7 is not here; there is linux/amd64"), "{error}");
    varve.run(&["save", "-o", &file, "--platform", "linux/arm64", &image]).unwrap();
    let other = Varve::new().unwrap();
    let loaded = other.json(&["load", "-i", &file, "--no-unpack"]).unwrap();
    assert_eq!(loaded[0]["platforms"], serde_json::json!(["linux/arm64/v8"]));
    assert_eq!(count(&other, &["snapshots", "ls"]), 0);

    let asked = registry.blob_requests();
    varve.run(&["save", "-o", &file, "--all-platforms", &image]).unwrap();
    assert!(registry.blob_requests() > asked);
    let third = Varve::new().unwrap();
    third.run(&["load", "-i", &file]).unwrap();
    assert_eq!(only(&third).0, before.0, "it is the registry's index");
    // Now that all is here, nobody is asked.
    let asked = registry.requests().len();
    third.run(&["save", "-o", &file, "--all-platforms", &image]).unwrap();
    assert_eq!(registry.requests().len(), asked);
}

#[test]
fn a_name_with_a_digest_goes_with_that_digest_alone() {
    let (_registry, varve, image) = pulled("linux/amd64");
    let (digest, _) = only(&varve);
    let by_digest = format!("{}@{digest}", image.trim_end_matches(":1"));
    varve.run(&["rmi", &image]).unwrap();
    varve.run(&["pull", "-q", &by_digest]).unwrap();
    let dir = temporary();
    let file = path(&dir, "image.tar");
    varve.run(&["save", "-o", &file, &by_digest]).unwrap();
    let said = Varve::new().unwrap().run(&["load", "-i", &file]).unwrap();
    assert!(said.starts_with("Loaded image ID: "), "one platform is not the index: {said}");
    varve.run(&["save", "-o", &file, "--all-platforms", &by_digest]).unwrap();
    let said = Varve::new().unwrap().run(&["load", "-i", &file]).unwrap();
    assert_eq!(said, format!("Loaded image: {by_digest}\n"));
}

#[test]
fn what_cannot_be_completed_is_told_before_anything_is_written() {
    let (registry, varve, image) = pulled("linux/amd64");
    drop(registry);
    let dir = temporary();
    let file = path(&dir, "all.tar");
    let error = varve.fail(&["save", "-o", &file, "--all-platforms", &image]).unwrap();
    assert!(error.contains("linux/arm64"), "{error}");
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    assert!(varve.fail(&["save", "-o", &file, "no/such"]).unwrap().contains("No such image"));
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_name_that_another_image_has_is_taken_only_with_a_word() {
    let (_registry, varve, image) = pulled("linux/amd64");
    let (_, id) = only(&varve);
    let dir = temporary();
    let file = dir.path().join("other.tar");
    fs::write(&file, bundle::layout(&single(Family::Oci, Packing::Gzip), &image).finish()).unwrap();
    let said = load_stdin(&varve, &file, &["load", "-q"]);
    assert_eq!(
        said,
        format!(
            "The image {image} already exists, renaming the old one with ID {id} to empty string\n\
             Loaded image: {image}\n"
        )
    );
    let rows = varve.run(&["images", "--no-trunc", "--format", "{{.Tag}} {{.ID}}"]).unwrap();
    assert!(rows.contains(&format!("<none> {id}\n")), "{rows}");
}

#[test]
fn archives_of_old_dockers_are_loaded_whatever_their_layers_are_packed_with() {
    let small = Small::new();
    let dir = temporary();
    let file = dir.path().join("docker.tar");
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        fs::write(&file, small.docker(&packing.pack(&small.layer)).finish()).unwrap();
        for piped in [false, true] {
            let varve = Varve::new().unwrap();
            let said = match piped {
                true => {
                    let packed = dir.path().join("packed");
                    fs::write(&packed, Packing::Gzip.pack(&fs::read(&file).unwrap())).unwrap();
                    load_stdin(&varve, &packed, &["load"])
                }
                false => varve.run(&["load", "-i", file.to_str().unwrap()]).unwrap(),
            };
            assert_eq!(said, "Loaded image: old/docker:1\n", "{packing:?}, {piped}");
            assert_eq!(only(&varve).1, varve_core::Digest::of(&small.config).to_string());
            assert_eq!(count(&varve, &["content", "ls"]), 3, "manifest, config, layer");
            assert_eq!(count(&varve, &["snapshots", "ls"]), 1);
        }
    }
}

/// The names of the unpacked layers: their chain ids, which were verified when they were unpacked.
fn unpacked(varve: &Varve) -> Vec<String> {
    let all = varve.json(&["snapshots", "--snapshotter", "native", "ls"]).unwrap();
    let name = |it: &serde_json::Value| it["name"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = all.as_array().unwrap().iter().map(name).collect();
    names.sort();
    assert_eq!(names.len(), odd::layers().len(), "{names:?}");
    names
}

#[test]
fn what_skopeo_writes_is_loaded_and_pulled() {
    const FORMS: [&str; 3] = ["docker-archive", "oci-archive", "oci"];
    if !have(&["skopeo"], "what_skopeo_writes_is_loaded_and_pulled") {
        return;
    }
    let dir = temporary();
    let made = path(&dir, "made.tar");
    fs::write(&made, bundle::layout(&single(Family::Oci, Packing::Gzip), "").finish()).unwrap();
    let from = format!("oci-archive:{made}");
    let mut trees = Vec::new();
    for form in FORMS {
        let file = path(&dir, form);
        let name = if form == "docker-archive" { "skopeo/odd:1" } else { "v1" };
        let to = format!("{form}:{file}:{name}");
        run("skopeo", &["copy", "-q", &from, &to]).unwrap();
        let varve = Varve::new().unwrap();
        let said = varve.run(&["load", "-i", &file, "--snapshotter", "native"]).unwrap();
        assert!(said.starts_with("Loaded image"), "{said}");
        trees.push(unpacked(&varve));
        let other = Varve::new().unwrap();
        let words = ["pull", "--snapshotter", "native", &to];
        let said = other.run(&words).unwrap();
        let pulled = match form {
            "docker-archive" => "docker.io/skopeo/odd:1".to_owned(),
            form => format!("localhost/{form}:v1"),
        };
        assert!(said.ends_with(&format!("\n{pulled}\n")), "{said}");
        trees.push(unpacked(&other));
        assert!(other.run(&words).unwrap().contains("Image is up to date"));
        let error = other.fail(&["pull", &format!("{form}:{file}:other")]).unwrap();
        assert!(error.contains("there is no image other in it"), "{error}");
    }
    trees.dedup();
    assert_eq!(trees.len(), 1, "all of them are the same image");
}

#[test]
fn skopeo_and_umoci_read_what_is_saved() {
    if !have(&["skopeo", "umoci"], "skopeo_and_umoci_read_what_is_saved") {
        return;
    }
    let (_registry, varve, image) = pulled("all");
    let dir = temporary();
    let file = path(&dir, "image.tar");
    varve.run(&["save", "-o", &file, &image]).unwrap();
    let oci = format!("oci-archive:{file}:1");
    run("skopeo", &["copy", "-q", "--all", &oci, &format!("dir:{}", path(&dir, "all"))]).unwrap();
    // umoci calls an index of several manifests ambiguous.
    varve.run(&["save", "-o", &file, "--platform", "linux/amd64", &image]).unwrap();
    let (layout, bundle) = (path(&dir, "layout"), path(&dir, "bundle"));
    fs::create_dir(&layout).unwrap();
    run("tar", &["xf", &file, "-C", &layout]).unwrap();
    run("umoci", &["unpack", "--rootless", "--image", &format!("{layout}:1"), &bundle]).unwrap();
    assert!(PathBuf::from(bundle).join("rootfs/bin/hello").is_file());
    for format in ["docker-archive", "both"] {
        let words = ["save", "-o", &file, &image, "--format", format];
        let words = if format == "both" { &words[..4] } else { &words[..] };
        varve.run(words).unwrap();
        let docker = format!("docker-archive:{file}:{image}");
        let inspected = run("skopeo", &["inspect", &docker]).unwrap();
        assert!(inspected.contains("\"Architecture\": \"amd64\""), "{inspected}");
        run("skopeo", &["copy", "-q", &docker, &format!("dir:{}", path(&dir, format))]).unwrap();
    }
}

#[test]
fn a_pull_of_an_archive_needs_to_be_told_which_of_several_images() {
    let (registry, varve, image) = pulled("linux/amd64");
    registry.push("demo/odd", "2", &single(Family::Oci, Packing::Zstd));
    let odd = format!("{}/demo/odd:2", registry.address());
    varve.run(&["pull", "-q", &odd]).unwrap();
    let dir = temporary();
    let file = path(&dir, "two.tar");
    varve.run(&["save", "-o", &file, &odd, &image]).unwrap();
    let other = Varve::new().unwrap();
    let from = format!("oci-archive:{file}");
    let error = other.fail(&["pull", &from]).unwrap();
    assert!(error.contains("several images in it") && error.contains(&odd), "{error}");
    assert_eq!(count(&other, &["content", "ls"]), 0);
    let said = other.run(&["pull", "-q", &format!("{from}:{image}")]).unwrap();
    assert_eq!(said, format!("{image}\n"));
    assert_eq!(count(&other, &["images", "ls"]), 1);
    // The store itself is a layout.
    let third = Varve::new().unwrap();
    let said = third.run(&["pull", "-q", &format!("oci:{}:{odd}", varve.layout().display())]);
    assert_eq!(said.unwrap(), format!("{odd}\n"));
}

#[test]
fn a_terminal_or_nothing_at_all_is_no_archive() {
    let varve = Varve::new().unwrap();
    let error = varve.fail(&["load"]).unwrap();
    assert!(error.contains("standard input: is empty"), "{error}");
    let mut refused = varve.command(&["save", "no/such"]);
    let refused = refused.stdout(Stdio::piped()).output().unwrap();
    assert!(!refused.status.success() && refused.stdout.is_empty());
}
