//! Root file systems that become images, in every topology.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;
use varve_core::Digest;
use varve_tests::command::{Varve, text};
use varve_tests::image::Packing;
use varve_tests::layer::Layer;

fn rootfs() -> Vec<u8> {
    Layer::new().dir("etc/", 0o755).file("etc/motd", 0o644, b"imported\n").finish()
}

/// A file with those bytes.
fn written(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn counts(varve: &Varve) -> Vec<usize> {
    let words = [["content", "ls"], ["content", "active"], ["images", "ls"], ["leases", "ls"]];
    words.iter().map(|words| varve.json(words).unwrap().as_array().unwrap().len()).collect()
}

/// Where the native driver has the tree of the only snapshot.
fn tree(varve: &Varve) -> PathBuf {
    let words = ["snapshots", "--snapshotter", "native"];
    let all = varve.json(&[&words[..], &["ls"]].concat()).unwrap();
    let name = all[0]["name"].as_str().unwrap().to_owned();
    let info = varve.json(&[&words[..], &["info", &name]].concat()).unwrap();
    Path::new(info["path"].as_str().unwrap()).to_owned()
}

#[test]
fn a_tar_becomes_an_image_of_one_layer_whatever_it_is_packed_with() {
    let dir = tempfile::tempdir().unwrap();
    for packing in [Packing::Plain, Packing::Gzip, Packing::GzipMembers, Packing::Zstd] {
        let file = written(&dir, "rootfs", &packing.pack(&rootfs()));
        let varve = Varve::new().unwrap();
        let words = ["import", "--snapshotter", "native", file.to_str().unwrap(), "base"];
        let said = varve.run(&words).unwrap();
        let inspected = varve.json(&["inspect", "base"]).unwrap();
        assert_eq!(inspected[0]["Id"], said.trim_end(), "{packing:?}");
        assert_eq!(inspected[0]["RepoTags"], json!(["base:latest"]));
        let layers = json!([Digest::of(&rootfs()).to_string()]);
        assert_eq!(inspected[0]["RootFS"]["Layers"], layers);
        assert_eq!(fs::read_to_string(tree(&varve).join("etc/motd")).unwrap(), "imported\n");
        assert_eq!(counts(&varve), [3, 0, 1, 0]);
        varve.run(&["rmi", "base"]).unwrap();
        assert_eq!(counts(&varve), [0; 4]);
    }
}

#[test]
fn instructions_and_a_message_go_into_the_image_and_it_needs_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(&dir, "rootfs", &rootfs());
    let varve = Varve::new().unwrap();
    let words = ["import", "-c", "CMD [\"/bin/sh\"]", "-c", "ENV A=1 B=2", "-m", "by hand"];
    let words = [&words[..], &["--platform", "linux/arm64", "-"]].concat();
    let mut command = varve.command(&words);
    let output = command.stdin(File::open(&file).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let id = text(&output.stdout).trim_end().to_owned();
    let inspected = varve.json(&["inspect", &id]).unwrap();
    assert_eq!(inspected[0]["Architecture"], "arm64");
    assert_eq!(inspected[0]["Config"]["Cmd"], json!(["/bin/sh"]));
    assert_eq!(inspected[0]["Config"]["Env"], json!(["A=1", "B=2"]));
    assert_eq!(inspected[0]["Comment"], "by hand");
    assert_eq!(inspected[0]["RepoTags"], json!([]));
}

#[test]
fn what_is_imported_is_saved_and_loaded_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let file = written(&dir, "rootfs", &Packing::Gzip.pack(&rootfs()));
    let varve = Varve::new().unwrap();
    let id = varve.run(&["import", file.to_str().unwrap(), "base:1"]).unwrap();
    let archive = dir.path().join("base.tar").display().to_string();
    varve.run(&["save", "-o", &archive, "base:1"]).unwrap();
    let other = Varve::new().unwrap();
    assert_eq!(other.run(&["load", "-i", &archive]).unwrap(), "Loaded image: base:1\n");
    assert_eq!(other.json(&["inspect", "base:1"]).unwrap()[0]["Id"], id.trim_end());
}

#[test]
fn what_is_no_root_file_system_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let varve = Varve::new().unwrap();
    let gzip = Packing::Gzip.pack(&rootfs());
    let dangling = Layer::new().hard_link("link", "no/such/file").finish();
    let cases = [
        ("tar is malformed", b"something else".repeat(100)),
        ("tar is malformed", rootfs()[..700].to_vec()),
        ("cannot be read to its end as gzip", gzip[..gzip.len() - 5].to_vec()),
        ("link", dangling),
        ("is empty", Vec::new()),
        ("only gzip and zstd", b"\xfd7zXZ\0 and so on".to_vec()),
    ];
    for (why, bytes) in cases {
        let file = written(&dir, "hostile", &bytes);
        let error = varve.fail(&["import", file.to_str().unwrap(), "base"]).unwrap();
        assert!(error.contains(why) && error.lines().count() == 1, "{why}: {error}");
        assert_eq!(counts(&varve), [0; 4], "{why}");
    }
    let error = varve.fail(&["import", "-c", "RUN x", "no.tar"]).unwrap();
    assert!(error.contains("there is no instruction RUN"), "{error}");
}
