//! Without root: on a thread that has given up its user.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{PermissionsExt, chown};

use super::kit::{Layer, Stage, node, skipped_without_root};
use crate::apply::{Applied, ApplyError, Compression, Mode, Options, Privilege, Subject, apply};

/// Applies as nobody, in a root that is nobody's.
fn as_nobody(stage: &Stage, mode: Mode, layer: Layer) -> Result<Applied, ApplyError> {
    let root = fs::File::open(stage.root()).unwrap();
    chown(stage.root(), Some(65534), Some(65534)).unwrap();
    let options = Options { privilege: Privilege::None, ..Options::new(mode) };
    let layer = layer.end();
    std::thread::spawn(move || {
        let nobody = rustix::fs::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        // Giving up a user hides /proc/self; a process that never was root sees its own.
        let dumpable = rustix::process::DumpableBehavior::Dumpable;
        rustix::process::set_dumpable_behavior(dumpable).unwrap();
        apply(Cursor::new(layer), Compression::None, root.into(), &options)
    })
    .join()
    .unwrap()
}

#[test]
fn owners_are_recorded_and_devices_skipped_with_one_line() {
    if skipped_without_root("becoming nobody") {
        return;
    }
    let stage = Stage::new();
    let theirs = |header: &mut tar::Header| {
        header.set_uid(1000);
        header.set_gid(300);
        header.set_mode(0o4555);
    };
    let layer = Layer::new()
        .with(b"f", b'0', b"x", theirs)
        .with(b"d", b'5', b"", theirs)
        .with(b"c", b'3', b"", |header| header.set_device_minor(3).unwrap())
        .with(b"b", b'4', b"", |_| {})
        .with(b"p", b'6', b"", |_| {});
    let applied = as_nobody(&stage, Mode::Base, layer).unwrap();
    for name in ["f", "d"] {
        let node = node(&stage.path(name));
        assert_eq!((node.owner.0, node.mode & 0o7777), (65534, 0o4555), "{name}");
        let record = [0x08, 0xe8, 0x07, 0x10, 0xac, 0x02];
        assert_eq!(node.xattrs["user.rootlesscontainers"], record, "{name}");
    }
    assert_eq!(stage.names(), ["d", "f", "p"]);
    let lines: Vec<_> =
        applied.tree.notices.iter().map(|notice| (notice.subject, notice.count)).collect();
    assert_eq!(lines, [(Subject::Device, 2)]);
}

#[test]
fn directories_that_nobody_may_enter_are_filled_and_have_their_modes_in_the_end() {
    if skipped_without_root("becoming nobody") {
        return;
    }
    let stage = Stage::new();
    let tight = |mode| move |header: &mut tar::Header| header.set_mode(mode);
    let mut layer = Layer::new()
        .with(b"a", b'5', b"", tight(0o000))
        .with(b"a/b", b'5', b"", tight(0o555))
        .with(b"a/b/c", b'5', b"", tight(0o111))
        .file("a/b/c/f", "x");
    for number in 0..50 {
        layer = layer.dir(&format!("d{number}")).file(&format!("d{number}/f"), "");
    }
    as_nobody(&stage, Mode::Base, layer.file("a/b/c/g", "").file("a/b/g", "")).unwrap();
    let low = stage.tree();
    for (name, mode) in [("a", 0), ("a/b", 0o555), ("a/b/c", 0o111)] {
        assert_eq!(low[std::path::Path::new(name)].mode & 0o7777, mode, "{name}");
    }
    let upper = Layer::new().file("a/b/.wh.c", "").file("a/b/h", "").file("d1/.wh..wh..opq", "");
    as_nobody(&stage, Mode::InPlace, upper).unwrap();
    let high = stage.tree();
    assert!(!stage.path("a/b/c").exists() && stage.path("a/b/h").exists());
    for name in ["a", "a/b"] {
        let path = std::path::Path::new(name);
        assert_eq!(
            (high[path].mode, high[path].mtime),
            (low[path].mode, low[path].mtime),
            "{name}"
        );
    }
}

#[test]
fn xattrs_that_only_root_may_set_are_left_out_with_a_notice() {
    if skipped_without_root("becoming nobody") {
        return;
    }
    let stage = Stage::new();
    let records: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.trusted.x", b"1"),
        (
            "SCHILY.xattr.security.capability",
            &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("SCHILY.xattr.user.x", b"1"),
    ];
    let layer = Layer::new().pax(records).with(b"f", b'0', b"", |header| header.set_mode(0o400));
    let applied = as_nobody(&stage, Mode::Base, layer).unwrap();
    let kept: Vec<_> = node(&stage.path("f")).xattrs.into_keys().collect();
    assert_eq!(kept, ["user.x"]);
    assert_eq!(applied.tree.notices.iter().map(|notice| notice.count).sum::<u64>(), 2);
    let mode = fs::metadata(stage.path("f")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o400);
}
