//! The same layers through umoci: the tree must be the same, and the same again where each layer
//! is unpacked without its parent and stacked by an overlay.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::json;
use tempfile::TempDir;
use varve_core::Digest;

use super::kit::{Layer, Node, OVERLAY, Stage, skipped_without_root, tree};
use crate::apply::{Mode, Tree};

/// Random images that are compared; VARVE_UMOCI_CASES asks for more.
const CASES: u32 = 40;

/// What umoci makes of `layers`; `None` where it refuses one.
fn umoci(layers: &[Layer]) -> Option<BTreeMap<PathBuf, Node>> {
    let dir = TempDir::new().unwrap();
    write_image(dir.path(), layers);
    let out = dir.path().join("rootfs");
    let image = format!("{}:x", dir.path().display());
    let run = Command::new("umoci").args(["raw", "unpack", "--image", &image]).arg(&out).output();
    run.unwrap().status.success().then(|| normal(tree(&out)))
}

/// An OCI image layout of plain tar layers.
fn write_image(dir: &Path, layers: &[Layer]) {
    let put = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({"mediaType": format!("application/vnd.oci.image.{media_type}"),
               "digest": digest.to_string(), "size": bytes.len()})
    };
    let tars: Vec<Vec<u8>> = layers.iter().map(|layer| layer.clone().end()).collect();
    let diff_ids: Vec<String> = tars.iter().map(|tar| Digest::of(tar).to_string()).collect();
    let blobs: Vec<_> = tars.iter().map(|tar| put("layer.v1.tar", tar)).collect();
    let config = json!({"os": "linux", "architecture": "amd64",
                        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = put("config.v1+json", config.to_string().as_bytes());
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": blobs});
    let mut manifest = put("manifest.v1+json", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "x"});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// Without the time of what no layer described: that is when it was made.
fn normal(mut tree: BTreeMap<PathBuf, Node>) -> BTreeMap<PathBuf, Node> {
    for node in tree.values_mut().filter(|node| node.mtime.0 > 1_500_000_000) {
        node.mtime = (0, 0);
    }
    tree
}

/// umoci puts back the time of a file's directory only, not of one in which it made a directory.
fn without_times_unknown(
    ours: &Option<BTreeMap<PathBuf, Node>>,
    theirs: &Option<BTreeMap<PathBuf, Node>>,
) -> Option<BTreeMap<PathBuf, Node>> {
    let mut ours = ours.clone();
    for (path, node) in ours.iter_mut().flatten() {
        let same = theirs.as_ref().and_then(|theirs| theirs.get(path));
        if same.is_some_and(|same| same.mtime == (0, 0) && same.mode & 0o170000 == 0o040000) {
            node.mtime = (0, 0);
        }
    }
    ours
}

/// An overlay breaks hard links of lower layers where one of the names is replaced or linked.
fn without_links(mut tree: BTreeMap<PathBuf, Node>) -> BTreeMap<PathBuf, Node> {
    tree.values_mut().for_each(|node| node.nlink = 0);
    tree
}

/// All layers into one tree, in order.
fn in_order(layers: &[Layer]) -> Option<BTreeMap<PathBuf, Node>> {
    let stage = Stage::new();
    for (number, layer) in layers.iter().enumerate() {
        let mode = if number == 0 { Mode::Base } else { Mode::InPlace };
        stage.apply(mode, layer.clone()).ok()?;
    }
    Some(normal(stage.tree()))
}

/// Each layer by itself, published on those below it and stacked by the kernel.
fn stacked(layers: &[Layer]) -> Option<BTreeMap<PathBuf, Node>> {
    let mut stack = Stack { stages: Vec::new() };
    for (number, layer) in layers.iter().enumerate() {
        let stage = Stage::new();
        let mode = if number == 0 { Mode::Base } else { OVERLAY };
        let made = stage.apply(mode, layer.clone()).ok()?.tree;
        if number > 0 && !stack.publish(&stage, &made) {
            let upper = Stage::new();
            let merged = stack.mount(Some(&upper));
            let root = fs::File::open(&merged.at).unwrap().into();
            let options = crate::apply::Options::new(Mode::InPlace);
            let tar = std::io::Cursor::new(layer.clone().end());
            crate::apply::apply(tar, crate::apply::Compression::None, root, &options).ok()?;
            drop(merged);
            stack.stages.push(upper);
        } else {
            stack.stages.push(stage);
        }
    }
    let top = Stage::new();
    let merged = stack.mount(Some(&top));
    Some(normal(tree(&merged.at)))
}

struct Stack {
    stages: Vec<Stage>,
}

/// A mounted overlay, unmounted when dropped.
struct Merged {
    at: PathBuf,
    _dir: TempDir,
}

impl Drop for Merged {
    fn drop(&mut self) {
        unmount(&self.at, UnmountFlags::DETACH).unwrap();
    }
}

impl Stack {
    fn mount(&self, upper: Option<&Stage>) -> Merged {
        let dir = TempDir::new().unwrap();
        let at = dir.path().join("merged");
        fs::create_dir(&at).unwrap();
        let lowers: Vec<_> =
            self.stages.iter().rev().map(|stage| stage.root().display().to_string()).collect();
        let mut options = format!("lowerdir={}", lowers.join(":"));
        if let Some(upper) = upper {
            let work = upper.root().with_file_name("work");
            fs::create_dir_all(&work).unwrap();
            let meta = fs::metadata(self.stages.last().unwrap().root()).unwrap();
            dress_like(&upper.root(), &meta);
            options += &format!(",upperdir={},workdir={}", upper.root().display(), work.display());
        }
        let data = std::ffi::CString::new(options).unwrap();
        mount("overlay", &at, "overlay", MountFlags::empty(), data.as_c_str()).unwrap();
        Merged { at, _dir: dir }
    }

    /// Gives implied directories what the parent says of them; `false` where that is no directory.
    fn publish(&self, stage: &Stage, made: &Tree) -> bool {
        if made.needs_parent {
            return false;
        }
        let upper = Stage::new();
        let parent = self.mount(Some(&upper));
        let dir_below = |path: &Path| {
            parent.at.join(path).symlink_metadata().is_ok_and(|meta| meta.is_dir())
                && !through_link(&parent.at, path)
        };
        if !made.parent_dirs.iter().all(|dir| dir_below(dir.as_path())) {
            return false;
        }
        for dir in made.implied_dirs.iter().rev() {
            let (above, here) = (parent.at.join(&dir.path), stage.root().join(&dir.path));
            match above.symlink_metadata() {
                Err(_) if dir.hollow => {
                    let holder = here.parent().unwrap();
                    let meta = fs::metadata(holder).unwrap();
                    fs::remove_dir_all(&here).unwrap();
                    dress_like(holder, &meta);
                }
                Err(_) => {}
                Ok(meta) if !meta.is_dir() || through_link(&parent.at, &dir.path) => return false,
                Ok(meta) => dress_like(&here, &meta),
            }
        }
        true
    }
}

fn through_link(root: &Path, path: &Path) -> bool {
    path.ancestors().any(|path| root.join(path).is_symlink() && path != Path::new(""))
}

fn dress_like(path: &Path, meta: &fs::Metadata) {
    std::os::unix::fs::chown(path, Some(meta.uid()), Some(meta.gid())).unwrap();
    fs::set_permissions(path, meta.permissions()).unwrap();
    let mtime = crate::apply::Mtime { secs: meta.mtime(), nanos: meta.mtime_nsec() as u32 };
    let time = rustix::fs::Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty()).unwrap();
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// One thing that a random layer says; the numbers choose among few names, so that they meet.
#[derive(Debug, Clone)]
enum Say {
    Dir(String, u32),
    File(String, u8),
    Symlink(String, String),
    Hard(String, String),
    Whiteout(String),
    Opaque(String),
    Fifo(String),
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|p| p.join("/"))
}

fn say() -> impl Strategy<Value = Say> {
    let target = prop_oneof![
        name(),
        name().prop_map(|name| format!("/{name}")),
        name().prop_map(|name| format!("../{name}")),
        Just("..".to_owned()),
    ];
    prop_oneof![
        4 => (name(), prop::sample::select(vec![0o755, 0o700, 0o1777])).prop_map(|(n, m)| Say::Dir(n, m)),
        6 => (name(), any::<u8>()).prop_map(|(name, body)| Say::File(name, body)),
        2 => (name(), target).prop_map(|(name, target)| Say::Symlink(name, target)),
        1 => (name(), name()).prop_map(|(name, target)| Say::Hard(name, target)),
        3 => name().prop_map(Say::Whiteout),
        2 => name().prop_map(Say::Opaque),
        1 => name().prop_map(Say::Fifo),
    ]
}

fn layer(says: &[Say]) -> Layer {
    says.iter().enumerate().fold(Layer::new(), |layer, (at, say)| {
        let time = |header: &mut tar::Header| header.set_mtime(1_000_000 + at as u64);
        match say {
            Say::Dir(name, mode) => layer.with(name.as_bytes(), b'5', b"", |header| {
                time(header);
                header.set_mode(*mode);
            }),
            Say::File(name, body) => layer.with(name.as_bytes(), b'0', &[*body; 3], time),
            Say::Symlink(name, target) => layer.symlink(name, target),
            Say::Hard(name, target) => layer.hard(name, target),
            Say::Fifo(name) => layer.with(name.as_bytes(), b'6', b"", time),
            Say::Opaque(name) => layer.file(&format!("{name}/.wh..wh..opq"), ""),
            Say::Whiteout(name) => {
                let (dir, name) = name.rsplit_once('/').unwrap_or((".", name));
                layer.file(&format!("{dir}/.wh.{name}"), "")
            }
        }
    })
}

fn images() -> impl Strategy<Value = Vec<Vec<Say>>> {
    prop::collection::vec(prop::collection::vec(say(), 1..9), 2..4)
}

#[test]
fn random_layers_make_the_tree_that_umoci_makes_in_order_and_stacked() {
    if skipped_without_root("overlays and umoci as root") {
        return;
    }
    if !has("umoci") {
        varve_core::testsuite::skipped("comparing with umoci: it is not installed");
        return;
    }
    let cases = std::env::var("VARVE_UMOCI_CASES").ok().and_then(|cases| cases.parse().ok());
    let config =
        Config { cases: cases.unwrap_or(CASES), failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&images(), |image| {
        let layers: Vec<Layer> = image.iter().map(|says| layer(says)).collect();
        let ours = in_order(&layers);
        let theirs = umoci(&layers);
        // umoci refuses some that we take: it looks for a hard link's target after it has removed
        // what the link replaces, a symlink on the way to the target for one.
        if theirs.is_some() {
            prop_assert_eq!(&without_times_unknown(&ours, &theirs), &theirs, "in order, and umoci");
        }
        if ours.is_some() {
            let ours = ours.map(without_links);
            prop_assert_eq!(&stacked(&layers).map(without_links), &ours, "stacked, and in order");
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
