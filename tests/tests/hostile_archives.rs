//! Archives that lie: each is refused with one line that says what is wrong, and changes nothing.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use tar::EntryType;
use varve_core::{Descriptor, Digest, MediaType};
use varve_tests::bundle::{Bundle, Small, layout};
use varve_tests::command::{Varve, text};
use varve_tests::demo;
use varve_tests::image::Packing;

/// The image as it should be.
fn good(small: &Small) -> Bundle {
    without_layer(small).blob(&small.layer)
}

fn without_layer(small: &Small) -> Bundle {
    Bundle::new().blob(&small.config).blob(&small.manifest).layout(&small.target, "a/b:1")
}

/// What each is refused for, and its bytes.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let small = Small::new();
    let layer = format!("blobs/sha256/{}", Digest::of(&small.layer).hex());
    let mut larger = small.target.clone();
    larger.size += 1;
    let bundles = vec![
        ("leads out of the archive", good(&small).file("../outside", b"x")),
        ("leads out of the archive", good(&small).file("/etc/outside", b"x")),
        ("leads out of the archive", good(&small).symlink("link", "/etc/passwd")),
        ("leads out of the archive", good(&small).symlink("a/link", "../../x")),
        ("leads out of the archive", good(&small).hard_link("link", "../etc/passwd")),
        ("leads out of the archive", docker("../../c.json", "l.tar")),
        ("leads out of the archive", docker("c.json", "/etc/passwd")),
        ("neither a file, a link nor a dir", good(&small).entry(EntryType::Fifo, "f")),
        ("stands twice", good(&small).blob(&small.layer)),
        ("stands twice", good(&small).symlink("index.json", "x")),
        ("is missing in the archive", without_layer(&small)),
        ("is missing in the archive", docker("c.json", "no.tar")),
        ("is missing in the archive", docker("no.json", "l.tar")),
        ("a link that leads to no file", without_layer(&small).hard_link(&layer, &layer)),
        (", not sha256:", without_layer(&small).file(&layer, &changed(&small.layer))),
        ("sha256:", small.docker(&changed(&small.layer))),
        ("are said to be in it", without_layer(&small).blob(b"short").hard_link(&layer, &short())),
        ("are said to be in it", blobs(&small).layout(&larger, "a/b:1")),
        ("2 diff ids, and manifest.json lists 1", two_diff_ids(&small)),
        ("reference", blobs(&small).layout(&small.target, "../../etc:1")),
        ("is said to name", blobs(&small).layout(&small.target, &another_digest())),
        ("is no image", blobs(&small).layout(&artifact(&small), "a/b:1")),
        ("index.json", blobs(&small).file("index.json", "x".repeat(5 << 20).as_bytes())),
        ("index.json", blobs(&small).file("index.json", b"{}")),
        ("index.json", blobs(&small).file("index.json", "[".repeat(100_000).as_bytes())),
        ("manifest.json", Bundle::new().file("manifest.json", b"{}")),
        ("there is no image in it", Bundle::new().json("manifest.json", &json!([]))),
    ];
    let mut all: Vec<_> = bundles.into_iter().map(|(why, it)| (why, it.finish())).collect();
    all.push(("no archive of images", small.layer.clone()));
    all.push(("no tar archive", b"something else".repeat(100)));
    all.push(("cut off", good(&small).finish()[..700].to_vec()));
    all
}

fn blobs(small: &Small) -> Bundle {
    Bundle::new().blob(&small.config).blob(&small.manifest).blob(&small.layer)
}

fn short() -> String {
    format!("blobs/sha256/{}", Digest::of(b"short").hex())
}

fn docker(config: &str, layer: &str) -> Bundle {
    let small = Small::new();
    let bundle = Bundle::new().file("c.json", &small.config).file("l.tar", &small.layer);
    bundle.json("manifest.json", &json!([{"Config": config, "Layers": [layer]}]))
}

/// A name that says that the image is another.
fn another_digest() -> String {
    format!("alpine@{}", Digest::of(b"another"))
}

/// What no image's target is.
fn artifact(small: &Small) -> Descriptor {
    let kind = MediaType::from("application/vnd.cncf.helm.config.v1+json");
    Descriptor::new(kind, small.target.digest, small.target.size)
}

/// A config of two layers, one of which the archive lists.
fn two_diff_ids(small: &Small) -> Bundle {
    let text = String::from_utf8(small.config.clone()).unwrap();
    let one = format!("\"{}\"", Digest::of(&small.layer));
    let config = text.replace(&one, &format!("{one},{one}"));
    let bundle = Bundle::new().file("c.json", config.as_bytes()).file("l.tar", &small.layer);
    bundle.json("manifest.json", &json!([{"Config": "c.json", "Layers": ["l.tar"]}]))
}

/// The same length and other bytes.
fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let at = changed.windows(4).position(|at| at == b"good").unwrap();
    changed[at] = b'G';
    changed
}

/// Blobs, ingests, images, snapshots, leases.
fn left(varve: &Varve) -> Vec<usize> {
    let words = [
        ["content", "ls"],
        ["content", "active"],
        ["images", "ls"],
        ["snapshots", "ls"],
        ["leases", "ls"],
    ];
    words.iter().map(|words| varve.json(words).unwrap().as_array().unwrap().len()).collect()
}

fn refused(varve: &Varve, file: &Path, why: &str, piped: bool) {
    let file_name = file.to_str().unwrap();
    let words = ["load", "-i", file_name];
    let mut command = varve.command(if piped { &words[..1] } else { &words });
    if piped {
        command.stdin(fs::File::open(file).unwrap());
    }
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{why}, piped {piped}: {said}");
    assert_eq!(said.lines().count(), 1, "{why}: {said}");
    assert!(said.starts_with("varve: ") && said.contains(why), "{why}, piped {piped}: {said}");
}

#[test]
fn each_is_refused_with_one_line_and_nothing_is_left_of_it() {
    let varve = Varve::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (plain, packed) = (dir.path().join("hostile.tar"), dir.path().join("hostile.tar.gz"));
    for (why, bytes) in hostile() {
        fs::write(&plain, &bytes).unwrap();
        refused(&varve, &plain, why, false);
        assert_eq!(left(&varve), [0; 5], "{why}");
        fs::write(&packed, Packing::Gzip.pack(&bytes)).unwrap();
        refused(&varve, &packed, why, true);
        assert_eq!(left(&varve), [0; 5], "{why}, piped");
    }
    fs::write(&packed, [&[0xfd, b'7', b'z', b'X', b'Z', 0][..], &[0; 600]].concat()).unwrap();
    refused(&varve, &packed, "is compressed with xz; only gzip and zstd are read", false);
    let small = Small::new();
    fs::write(&plain, good(&small).finish()).unwrap();
    varve.run(&["load", "-i", plain.to_str().unwrap()]).unwrap();
    assert_eq!(left(&varve), [3, 0, 1, 1, 0], "and the good one is not refused");
}

#[test]
fn a_failure_takes_nothing_of_what_is_here() {
    let varve = Varve::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image.tar");
    fs::write(&file, layout(&demo::image(), "demo:1").finish()).unwrap();
    varve.run(&["load", "-i", file.to_str().unwrap()]).unwrap();
    let (before, shown) = (left(&varve), varve.run(&["images", "--tree"]).unwrap());
    let small = Small::new();
    let two = layout(&demo::image(), "demo:2").blob(&small.manifest).finish();
    fs::write(&file, &two[..two.len() - 2000]).unwrap();
    varve.fail(&["load", "-i", file.to_str().unwrap()]).unwrap();
    assert_eq!(left(&varve), before);
    assert_eq!(varve.run(&["images", "--tree"]).unwrap(), shown);
}

#[test]
fn an_entry_that_cannot_fit_is_refused_before_it_is_read() {
    let small = Small::new();
    let mut header = tar::Header::new_gnu();
    header.set_path(format!("blobs/sha256/{}", Digest::of(&small.layer).hex())).unwrap();
    header.set_size(1 << 60);
    header.set_cksum();
    let bytes = [&header.as_bytes()[..], &small.layer].concat();
    let varve = Varve::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("huge.tar");
    fs::write(&file, &bytes).unwrap();
    refused(&varve, &file, "cut off", false);
    assert_eq!(left(&varve), [0; 5]);
    fs::write(&file, Packing::Zstd.pack(&bytes)).unwrap();
    let output = varve.command(&["load"]).stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr).lines().count(), 1, "{}", text(&output.stderr));
    assert_eq!(left(&varve), [0; 5]);
}

#[test]
fn a_link_in_a_directory_leads_to_no_file_of_this_machine() {
    let small = Small::new();
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    fs::write(&secret, &small.layer).unwrap();
    let root = dir.path().join("layout");
    let blobs = root.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8]| blobs.join(Digest::of(bytes).hex());
    fs::write(blob(&small.config), &small.config).unwrap();
    fs::write(blob(&small.manifest), &small.manifest).unwrap();
    symlink(&secret, blob(&small.layer)).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": [small.target]});
    fs::write(root.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
    let varve = Varve::new().unwrap();
    refused(&varve, &root, "is a symbolic link", false);
    assert_eq!(left(&varve), [0; 5]);
    fs::remove_file(blob(&small.layer)).unwrap();
    fs::write(blob(&small.layer), &small.layer).unwrap();
    let said = varve.run(&["load", "-i", root.to_str().unwrap()]).unwrap();
    assert!(said.starts_with("Loaded image ID: sha256:"), "{said}");
    fs::remove_file(root.join("index.json")).unwrap();
    symlink("/etc/passwd", root.join("index.json")).unwrap();
    refused(&varve, &root, "is a symbolic link", false);
}
