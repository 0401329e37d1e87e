//! A tree is what its layer says, to the nanosecond and the last bit.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::kit::{Layer, OVERLAY, Stage, THEN, node, skipped_without_root};
use crate::apply::Mode;

#[test]
fn owners_modes_and_times_are_exact() {
    if skipped_without_root("owners") {
        return;
    }
    let stage = Stage::new();
    let mut layer = Layer::new();
    for (name, flag) in [(&b"f"[..], b'0'), (b"d", b'5'), (b"p", b'6'), (b"c", b'3'), (b"b", b'4')]
    {
        layer = layer.pax(&[("mtime", b"1234567890.123456789")]).with(name, flag, b"", |header| {
            header.set_mode(0o7517);
            header.set_uid(4_000_000_000);
            header.set_gid(77);
            header.set_device_major(8).unwrap();
            header.set_device_minor(300).unwrap();
        });
    }
    stage.apply(Mode::Base, layer).unwrap();
    for name in ["f", "d", "p", "c", "b"] {
        let node = node(&stage.path(name));
        assert_eq!(node.mode & 0o7777, 0o7517, "{name}");
        assert_eq!(node.owner, (4_000_000_000, 77), "{name}");
        assert_eq!(node.mtime, (1_234_567_890, 123_456_789), "{name}");
    }
    assert_eq!(node(&stage.path("b")).device, rustix::fs::makedev(8, 300));
}

#[test]
fn links_have_owners_and_times_of_their_own() {
    if skipped_without_root("owners") {
        return;
    }
    let stage = Stage::new();
    let layer = Layer::new().file("f", "x").with(b"l", b'2', b"", |header| {
        header.as_old_mut().linkname[..1].copy_from_slice(b"f");
        header.set_uid(5);
        header.set_mtime(5);
    });
    stage.apply(Mode::Base, layer).unwrap();
    assert_eq!((node(&stage.path("l")).owner.0, node(&stage.path("l")).mtime), (5, (5, 0)));
    assert_eq!(node(&stage.path("f")).mtime, (THEN as i64, 0));
}

#[test]
fn a_time_before_1970_and_one_far_out_are_kept_as_far_as_the_disk_can() {
    let stage = Stage::new();
    let layer = Layer::new()
        .with(b"base256", b'0', b"", |header| {
            header.as_old_mut().mtime =
                [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe];
        })
        .pax(&[("mtime", b"-1.5")])
        .file("pax", "")
        .pax(&[("mtime", b"9999999999.9")])
        .file("far", "");
    stage.apply(Mode::Base, layer).unwrap();
    assert_eq!(node(&stage.path("base256")).mtime, (-2, 0));
    assert_eq!(node(&stage.path("pax")).mtime, (-2, 500_000_000));
    assert!(node(&stage.path("far")).mtime.0 > 4_000_000_000);
}

#[test]
fn a_directory_has_its_own_times_whatever_comes_into_it_later() {
    for mode in [Mode::Base, Mode::InPlace, OVERLAY] {
        let stage = Stage::new();
        let mut layer = Layer::new().dir("a").dir("a/b").file("a/b/x", "");
        for number in 0..100 {
            layer = layer.dir(&format!("d{number}")).file(&format!("d{number}/f"), "");
        }
        stage.apply(mode, layer.file("a/late", "").file("a/b/late", "")).unwrap();
        for (path, node) in stage.tree().into_iter().filter(|(path, _)| path != Path::new(".")) {
            assert_eq!(node.mtime, (THEN as i64, 0), "{path:?}");
        }
    }
}

#[test]
fn setuid_and_file_capabilities_survive_the_chown() {
    if skipped_without_root("capabilities") {
        return;
    }
    let stage = Stage::new();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let layer = Layer::new().pax(&[("SCHILY.xattr.security.capability", &capability)]).with(
        b"ping",
        b'0',
        b"#!",
        |header| {
            header.set_mode(0o6755);
            header.set_uid(1000);
        },
    );
    stage.apply(Mode::Base, layer).unwrap();
    let ping = node(&stage.path("ping"));
    assert_eq!((ping.mode & 0o7777, ping.owner.0), (0o6755, 1000));
    assert_eq!(ping.xattrs["security.capability"], capability);
}

/// `user::rwx, group::r-x, mask::rwx, other::r-x, user:1000:rwx`, as the kernel stores it.
fn acl() -> Vec<u8> {
    let mut acl = vec![2, 0, 0, 0];
    for (tag, bits, id) in [
        (1u16, 7u16, u32::MAX),
        (2, 7, 1000),
        (4, 5, u32::MAX),
        (16, 7, u32::MAX),
        (32, 5, u32::MAX),
    ] {
        acl.extend(tag.to_le_bytes().into_iter().chain(bits.to_le_bytes()).chain(id.to_le_bytes()));
    }
    acl
}

#[test]
fn acls_are_set_and_a_default_acl_is_not_inherited_by_the_layers_own_files() {
    let (stage, acl) = (Stage::new(), acl());
    let layer = Layer::new()
        .pax(&[("SCHILY.xattr.system.posix_acl_default", &acl)])
        .dir("d")
        .file("d/plain", "")
        .dir("d/sub")
        .pax(&[("SCHILY.xattr.system.posix_acl_access", &acl)])
        .with(b"d/acl", b'0', b"", |header| header.set_mode(0o775));
    stage.apply(Mode::Base, layer).unwrap();
    stage.apply(Mode::InPlace, Layer::new().file("d/later", "")).unwrap();
    assert_eq!(node(&stage.path("d")).xattrs["system.posix_acl_default"], acl);
    assert_eq!(node(&stage.path("d/acl")).xattrs["system.posix_acl_access"], acl);
    for name in ["d/plain", "d/sub", "d/later"] {
        assert!(node(&stage.path(name)).xattrs.is_empty(), "{name}");
        assert_eq!(node(&stage.path(name)).mode & 0o020, 0, "{name}");
    }
}

#[test]
fn what_is_made_in_a_setgid_directory_has_its_own_group_and_mode() {
    if skipped_without_root("groups") {
        return;
    }
    for mode in [Mode::Base, Mode::InPlace] {
        let stage = Stage::new();
        let layer = Layer::new()
            .with(b"d", b'5', b"", |header| {
                header.set_mode(0o2775);
                header.set_gid(50);
            })
            .file("d/f", "")
            .dir("d/sub");
        stage.apply(mode, layer).unwrap();
        stage
            .apply(Mode::InPlace, Layer::new().file("d/g", "").dir("d/h").file("d/i/j", ""))
            .unwrap();
        for name in ["d/f", "d/sub", "d/g", "d/h", "d/i", "d/i/j"] {
            let node = node(&stage.path(name));
            assert_eq!((node.owner, node.mode & 0o2000), ((0, 0), 0), "{name}");
        }
        assert_eq!(node(&stage.path("d")).mode & 0o7777, 0o2775);
    }
}

#[test]
fn of_duplicates_the_last_wins_and_directories_keep_what_is_in_them() {
    let stage = Stage::new();
    let layer = Layer::new()
        .file("f", "first, and longer")
        .hard("same", "f")
        .file("f", "last")
        .dir("d")
        .file("d/x", "x")
        .with(b"d", b'5', b"", |header| header.set_mode(0o700))
        .dir("gone")
        .file("gone/x", "x")
        .symlink("gone", "f")
        .symlink("back", "f")
        .dir("back")
        .file("back/y", "y");
    stage.apply(Mode::Base, layer).unwrap();
    assert_eq!((stage.read("f"), stage.read("same")), ("last".into(), "first, and longer".into()));
    assert_eq!((stage.read("d/x"), node(&stage.path("d")).mode & 0o777), ("x".into(), 0o700));
    assert!(stage.path("gone").is_symlink());
    assert_eq!(stage.read("back/y"), "y");
}

#[test]
fn a_symlink_is_followed_from_the_root_where_it_is_absolute_and_from_its_place_where_not() {
    let layer = Layer::new()
        .dir("d")
        .symlink("d/absolute", "/real")
        .symlink("d/relative", "../other/./")
        .file("d/absolute/x", "")
        .file("d/relative/y", "");
    for mode in [Mode::Base, Mode::InPlace, OVERLAY] {
        let stage = Stage::new();
        stage.apply(mode, layer.clone()).unwrap();
        let names = ["d", "d/absolute", "d/relative", "other", "other/y", "real", "real/x"];
        assert_eq!(stage.names(), names);
    }
}

#[test]
fn a_directory_described_again_loses_the_xattrs_it_had_below() {
    let stage = Stage::new();
    let low = Layer::new().pax(&[("SCHILY.xattr.user.low", b"1")]).dir("d");
    stage.apply(Mode::Base, low).unwrap();
    let high = Layer::new().pax(&[("SCHILY.xattr.user.high", b"2")]).dir("d");
    stage.apply(Mode::InPlace, high).unwrap();
    let xattrs: Vec<_> = node(&stage.path("d")).xattrs.into_keys().collect();
    assert_eq!(xattrs, ["user.high"]);
}

#[test]
fn hard_links_share_an_inode_and_bad_ones_say_why() {
    let stage = Stage::new();
    let layer = Layer::new().dir("d").file("d/a", "x").hard("b", "/d/../d/a").symlink("l", "d");
    stage.apply(Mode::Base, layer.hard("c", "l/a")).unwrap();
    let inode = |name| fs::metadata(stage.path(name)).unwrap().ino();
    assert_eq!(inode("d/a"), inode("b"));
    assert_eq!(inode("d/a"), inode("c"));
    for mode in [Mode::Base, Mode::InPlace, OVERLAY] {
        let base = || Layer::new().dir("d").file("d/a", "").symlink("l", "d");
        Stage::new().refuses(mode, base().hard("d/a", "d/a"), "to itself");
        Stage::new().refuses(mode, base().hard("x", "/"), "to the root");
        Stage::new().refuses_or_needs_parent(mode, base().hard("d/a", "l/a"), "to itself");
        Stage::new().refuses_or_needs_parent(mode, base().hard("x", "d"), "to the directory");
    }
    Stage::new().refuses(Mode::Base, Layer::new().hard("x", "y").file("y", ""), "not there");
}

#[test]
fn an_attribute_may_be_empty() {
    let stage = Stage::new();
    let records: [(&str, &[u8]); 1] = [("SCHILY.xattr.user.empty", b"")];
    stage.apply(Mode::Base, Layer::new().pax(&records).file("x", "")).unwrap();
    assert_eq!(node(&stage.path("x")).xattrs["user.empty"], b"");
}

#[test]
fn names_that_are_no_text_are_kept() {
    let stage = Stage::new();
    let layer = Layer::new().with(b"caf\xe9\xff", b'0', b"x", |_| {});
    stage.apply(Mode::Base, layer.pax(&[("path", b"\x80/\xfe")]).file("x", "y")).unwrap();
    let names: Vec<_> =
        stage.tree().into_keys().map(|p| p.as_os_str().as_bytes().to_vec()).collect();
    assert_eq!(names, [&b"."[..], b"caf\xe9\xff", b"\x80", b"\x80/\xfe"]);
}

#[test]
fn a_file_where_entries_go_through_is_refused() {
    for mode in [Mode::Base, Mode::InPlace, OVERLAY] {
        let layer = Layer::new().file("a", "").file("a/b", "");
        Stage::new().refuses_or_needs_parent(mode, layer, "no directory");
    }
}

#[test]
fn what_one_layer_cost_is_told() {
    let stage = Stage::new();
    let layer =
        Layer::new().dir("d").file("d/a", "x").file("d/b", &"y".repeat(5000)).hard("c", "d/a");
    let applied = stage.apply(Mode::Base, layer).unwrap();
    assert_eq!((applied.tree.usage.inodes, applied.tree.usage.bytes), (3, 4096 * 4));
    assert_eq!(applied.stream.entries, 4);
}
