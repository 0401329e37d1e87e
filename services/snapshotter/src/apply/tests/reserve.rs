//! A file system that is nearly full keeps what others need.

use std::path::Path;
use std::process::Command;

use super::kit::{Layer, Stage, skipped_without_root};
use crate::apply::{Compression, Limits, Mode, Options};

/// 8 MiB of memory, mounted at a stage's root.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn new(root: &'a Path) -> Self {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(root);
        assert!(mount.status().unwrap().success());
        Self(root)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg(self.0).status().unwrap().success());
    }
}

#[test]
fn unpacking_stops_before_a_file_system_is_full() {
    if skipped_without_root("mounting a small file system") {
        return;
    }
    let stage = Stage::new();
    let root = stage.root();
    let _small = Small::new(&root);
    let with = |reserve: u64| {
        let limits = Limits { reserve, ..Limits::default() };
        let options = Options { limits, ..Options::new(Mode::InPlace) };
        let layer = Layer::new().file("f", "of a layer").end();
        let applied = stage.apply_bytes(&options, Compression::None, layer);
        applied.err().map(|error| varve_core::Error::from(error).chain())
    };
    assert_eq!(with(1 << 30), None, "of a small file system it is a hundredth");
    std::fs::write(root.join("ballast"), vec![7; (8 << 20) - (64 << 10)]).unwrap();
    let told = with(1 << 30).unwrap();
    assert!(told.contains("leaves 83886 to others (snapshotter.limits.reserve)"), "{told}");
    assert_eq!(with(0), None);
}
