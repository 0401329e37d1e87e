//! The store's directory, read in place by skopeo and umoci.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use varve_content_store::{Config, open};
use varve_core::collect::Collector;
use varve_core::content::Content;
use varve_core::{Descriptor, Digest, MediaType, Platform, Scope};

fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        varve_core::testsuite::skipped(format_args!("{tool} is not installed"));
    }
    found
}

/// What a tool prints; its failure fails the test.
fn run(tool: &str, args: &[&str]) -> String {
    let output = Command::new(tool).args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn at(dir: &Path, name: &str) -> String {
    format!("{}:{name}", dir.display())
}

fn can_be_copied(dir: &Path, name: &str, want: &Digest) {
    let target = tempfile::tempdir().unwrap();
    let from = format!("oci:{}", at(dir, name));
    run("skopeo", &["copy", "-q", &from, &format!("dir:{}", target.path().display())]);
    let manifest = std::fs::read(target.path().join("manifest.json")).unwrap();
    assert_eq!(Digest::of(&manifest), *want);
}

fn can_be_unpacked(dir: &Path, name: &str, seed: &str) {
    let target = tempfile::tempdir().unwrap();
    let bundle = target.path().join("bundle").display().to_string();
    run("umoci", &["unpack", "--rootless", "--image", &at(dir, name), &bundle]);
    let file = target.path().join("bundle/rootfs/seed");
    assert_eq!(std::fs::read_to_string(file).unwrap(), seed);
}

fn elsewhere(architecture: &str) -> Descriptor {
    let mut absent =
        Descriptor::new(MediaType::OciManifest, Digest::of(architecture.as_bytes()), 7);
    absent.platform = Some(Platform::new("linux", architecture, ""));
    absent
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_and_umoci_read_an_image_by_the_name_that_varve_has_for_it() {
    if !has("skopeo") || !has("umoci") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = kit::store(dir.path()).await;
    let arch = Platform::host().architecture;
    let names = ["127.0.0.1:5000/lab/python:1", "docker.io/library/alpine:latest"];
    for seed in names {
        let target = kit::image(&store, &Scope::default(), seed, &arch).await;
        kit::name(&store, seed, &target).await;
        run("skopeo", &["inspect", &format!("oci:{}", at(dir.path(), seed))]);
        can_be_copied(dir.path(), seed, &target.digest);
        can_be_unpacked(dir.path(), seed, seed);
    }
    let listed = run("umoci", &["ls", "--layout", &dir.path().display().to_string()]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_which_one_platform_is_here_is_shown_as_that_platform() {
    if !has("skopeo") || !has("umoci") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    // Not even this machine's platform: the tools must not have to choose.
    let here = kit::image(&store, &scope, "s390x", "s390x").await;
    let children = [elsewhere("amd64"), here.clone(), elsewhere("arm64")];
    let target = kit::index(&store, &scope, &children).await;
    kit::name(&store, "lab/multi:1", &target).await;
    can_be_copied(dir.path(), "lab/multi:1", &here.digest);
    can_be_unpacked(dir.path(), "lab/multi:1", "s390x");
    let got = kit::target(&store, "lab/multi:1").await.unwrap();
    assert_eq!(got.digest, target.digest, "the record keeps the index");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_which_all_platforms_are_here_is_shown_whole() {
    if !has("skopeo") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let mut children = Vec::new();
    for arch in ["amd64", "arm64"] {
        children.push(kit::image(&store, &scope, arch, arch).await);
    }
    let target = kit::index(&store, &scope, &children).await;
    kit::name(&store, "lab/multi:1", &target).await;
    let copy = tempfile::tempdir().unwrap();
    let to = format!("oci:{}:all", copy.path().display());
    run("skopeo", &["copy", "-q", "--all", &format!("oci:{}", at(dir.path(), "lab/multi:1")), &to]);
    assert_eq!(std::fs::read_dir(copy.path().join("blobs/sha256")).unwrap().count(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_dockers_is_shown_in_the_only_form_that_the_tools_read() {
    if !has("skopeo") || !has("umoci") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let arch = Platform::host().architecture;
    let target = kit::docker(&store, &scope, "docker's", &arch).await;
    kit::name(&store, "lab/docker:1", &target).await;
    let files = || std::fs::read_dir(dir.path().join("blobs/sha256")).unwrap().count();
    let usable = || {
        run("skopeo", &["inspect", &format!("oci:{}", at(dir.path(), "lab/docker:1"))]);
        let copy = tempfile::tempdir().unwrap();
        let to = format!("docker-archive:{}:x:1", copy.path().join("x").display());
        run("skopeo", &["copy", "-q", &format!("oci:{}", at(dir.path(), "lab/docker:1")), &to]);
        can_be_unpacked(dir.path(), "lab/docker:1", "docker's");
        assert_eq!(files(), 4, "and the derived manifest");
    };
    usable();
    store.collect(false).await.unwrap();
    usable();
    store.close().await.unwrap();
    drop(store);
    std::fs::remove_dir_all(dir.path().join("meta")).unwrap();
    let now = Config { quiet_after_rebuild: Duration::ZERO, ..Config::new(dir.path()) };
    let store = open(now).await.unwrap();
    let found = kit::target(&store, "lab/docker:1").await.unwrap();
    assert_eq!(found.digest, target.digest, "the record is of the true one");
    assert_eq!(Content::list(&*store, &scope, &[]).await.unwrap().len(), 3);
    store.collect(false).await.unwrap();
    usable();
    kit::unname(&store, "lab/docker:1").await;
    store.collect(false).await.unwrap();
    assert_eq!(files(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_shown_no_longer_and_a_lost_index_comes_back_at_open() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    for one in ["a", "b", "c"] {
        let target = kit::image(&store, &scope, one, "amd64").await;
        kit::name(&store, one, &target).await;
    }
    let c = kit::target(&store, "c").await.unwrap().digest;
    kit::unname(&store, "b").await;
    Content::delete(&*store, &scope, &c).await.unwrap();
    let index = dir.path().join("index.json");
    let shown = || {
        let text = std::fs::read_to_string(&index).unwrap();
        let names = ["\"a\"", "\"b\"", "\"c\""].map(|name| text.contains(name));
        assert_eq!(names, [true, false, false], "{text}");
    };
    shown();
    store.close().await.unwrap();
    drop(store);
    for damage in ["", "{}", r#"{"schemaVersion":2,"manifests":[]}"#] {
        std::fs::write(&index, damage).unwrap();
        kit::store(dir.path()).await.close().await.unwrap();
        shown();
    }
    std::fs::remove_file(&index).unwrap();
    kit::store(dir.path()).await.close().await.unwrap();
    shown();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_cut_off_is_written_anew_at_the_next_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = kit::store(dir.path()).await;
    let target = kit::image(&store, &Scope::default(), "kept", "amd64").await;
    // Where the head ends, in the middle of a letter.
    kit::name(&store, &"\u{e9}".repeat(200), &target).await;
    store.close().await.unwrap();
    drop(store);
    let index = dir.path().join("index.json");
    let whole = std::fs::read(&index).unwrap();
    for length in [0, 100, whole.len() - 1] {
        std::fs::write(&index, &whole[..length]).unwrap();
        let store = kit::store(dir.path()).await;
        store.close().await.unwrap();
        drop(store);
        assert_eq!(std::fs::read(&index).unwrap(), whole, "cut to {length}");
    }
}
