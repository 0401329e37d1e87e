//! Layers that have led software of this kind out of the root. Every test compares a canary tree
//! beside the root before and after (in `Stage::apply`).

use std::os::unix::fs::symlink;

use super::kit::{Layer, OVERLAY, Stage};
use crate::apply::Mode;

const MODES: [Mode; 3] = [Mode::Base, Mode::InPlace, OVERLAY];

/// Applies in every mode, whether it is refused or not; gives back the stages.
fn everywhere(layer: impl Fn(&Stage) -> Layer) -> Vec<Stage> {
    let apply = |mode| {
        let stage = Stage::new();
        let _ = stage.apply(mode, layer(&stage));
        stage
    };
    MODES.into_iter().map(apply).collect()
}

fn canary(stage: &Stage) -> String {
    stage.canary().to_str().unwrap().to_owned()
}

#[test]
fn a_file_through_a_symlink_to_a_host_directory_stays_inside() {
    let absolute = |s: &Stage| Layer::new().symlink("x", &canary(s)).file("x/secret", "owned");
    for stage in everywhere(absolute) {
        assert!(stage.path("x").is_symlink());
    }
    everywhere(|_| Layer::new().symlink("x", "../canary").file("x/secret", "owned"));
}

#[test]
fn a_chain_of_relative_symlinks_stays_inside() {
    let chain = Layer::new()
        .dir("subdir")
        .symlink("subdir/parent", "..")
        .symlink("subdir/parent/escapes", "..")
        .file("subdir/parent/escapes/canary/secret", "owned")
        .file("escapes/canary/secret", "owned");
    for stage in everywhere(|_| chain.clone()) {
        assert_eq!(stage.read("canary/secret"), "owned", "it is clamped to the root");
    }
}

#[test]
fn dots_and_absolute_names_are_taken_from_the_root() {
    let names = Layer::new()
        .file("../../canary/secret", "a")
        .file("/abs", "b")
        .file("./a/../../b", "c")
        .file("//c//d/", "d");
    for stage in everywhere(|_| names.clone()) {
        assert_eq!(stage.names(), ["abs", "b", "c", "c/d", "canary", "canary/secret"]);
    }
}

#[test]
fn the_root_cannot_become_a_link_or_a_file() {
    for name in [".", "/", "./", "", "..", "a/.."] {
        let stage = Stage::new();
        let to_canary = Layer::new().symlink(name, &canary(&stage));
        stage.refuses(Mode::InPlace, to_canary.file("secret", "owned"), "root");
        stage.refuses(OVERLAY, Layer::new().file(name, "x"), "root");
        assert!(stage.root().symlink_metadata().unwrap().is_dir());
    }
}

#[test]
fn a_hard_link_never_reaches_the_host() {
    let direct = |s: &Stage| Layer::new().hard("x", &format!("{}/secret", canary(s)));
    everywhere(direct);
    everywhere(|_| Layer::new().hard("x", "../canary/secret"));
    everywhere(|s| Layer::new().symlink("l", &canary(s)).hard("x", "l/secret").file("x", "owned"));
}

#[test]
fn a_hard_link_to_a_symlink_is_the_symlink_and_never_what_it_points_to() {
    let layer = |s: &Stage| {
        let secret = format!("{}/secret", canary(s));
        Layer::new()
            .symlink("x", &secret)
            .hard("y", "x")
            .with(b"y", b'0', b"owned", |header| header.set_mode(0o777))
    };
    for stage in everywhere(layer) {
        assert!(stage.path("x").is_symlink());
        assert_eq!(stage.read("y"), "owned");
    }
}

#[test]
fn a_directory_over_a_symlink_replaces_it_and_chmods_nothing_else() {
    let layer = |s: &Stage| {
        let sub = format!("{}/sub", canary(s));
        Layer::new()
            .symlink("foo", &sub)
            .with(b"foo", b'5', b"", |header| header.set_mode(0o700))
            .file("foo/file", "mine")
    };
    for stage in everywhere(layer) {
        assert!(stage.path("foo").symlink_metadata().unwrap().is_dir());
        assert_eq!(stage.read("foo/file"), "mine");
    }
}

#[test]
fn every_kind_of_entry_over_a_symlink_replaces_the_symlink() {
    for flag in [b'0', b'2', b'3', b'4', b'5', b'6', b'7'] {
        let layer = |s: &Stage| {
            let secret = format!("{}/secret", canary(s));
            Layer::new().symlink("x", &secret).with(b"x", flag, b"", |header| {
                header.as_old_mut().linkname[..1].copy_from_slice(b"z");
                header.set_mode(0o7777);
                header.set_uid(1);
                header.set_device_major(1).unwrap();
                header.set_device_minor(3).unwrap();
            })
        };
        everywhere(layer);
    }
}

#[test]
fn whiteouts_through_symlinks_remove_nothing_outside() {
    for name in ["x/.wh.secret", "x/.wh..wh..opq", "x/sub/.wh.file", "../canary/.wh.secret"] {
        everywhere(|s| Layer::new().symlink("x", &canary(s)).file(name, ""));
    }
    let stage = Stage::new();
    symlink(stage.canary(), stage.path("x")).unwrap();
    stage.apply(Mode::InPlace, Layer::new().file(".wh.x", "")).unwrap();
    assert!(stage.names().is_empty());
}

#[test]
fn removing_a_tree_never_follows_a_link_in_it() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("d")).unwrap();
    symlink(stage.canary(), stage.path("d/out")).unwrap();
    let by_file = Layer::new().file("d", "a file now");
    stage.apply(Mode::InPlace, by_file).unwrap();
    std::fs::remove_file(stage.path("d")).unwrap();
    std::fs::create_dir(stage.path("d")).unwrap();
    symlink(stage.canary(), stage.path("d/out")).unwrap();
    stage.apply(Mode::InPlace, Layer::new().file("d/.wh..wh..opq", "")).unwrap();
    assert_eq!(stage.names(), ["d"]);
}

#[test]
fn whiteouts_without_a_name_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh..", "a/.wh..."] {
        for mode in MODES {
            Stage::new().refuses(mode, Layer::new().dir("a").file(name, ""), "whiteout");
        }
    }
}

#[test]
fn a_whiteout_that_is_a_hard_link_is_a_whiteout() {
    let stage = Stage::new();
    stage.apply(Mode::InPlace, Layer::new().file("tmp/x", "").file("tmp/y", "")).unwrap();
    stage.apply(Mode::InPlace, Layer::new().hard("tmp/.wh.x", "tmp/y")).unwrap();
    assert_eq!(stage.names(), ["tmp", "tmp/y"]);
}

#[test]
fn forged_overlay_xattrs_never_reach_the_disk() {
    let records: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.kept", b"1"),
    ];
    let layer = Layer::new().pax(records).dir("d").pax(records).file("f", "");
    for mode in MODES {
        let stage = Stage::new();
        let applied = stage.apply(mode, layer.clone()).unwrap();
        for name in ["d", "f"] {
            let kept: Vec<_> = super::kit::node(&stage.path(name)).xattrs.into_keys().collect();
            assert_eq!(kept, ["user.kept"]);
        }
        assert!(!applied.tree.notices.is_empty());
    }
}

#[test]
fn a_loop_of_symlinks_is_an_error_and_not_a_hang() {
    let layer = Layer::new().symlink("a", "b").symlink("b", "a").file("a/x", "");
    for mode in MODES {
        Stage::new().refuses_or_needs_parent(mode, layer.clone(), "too many symlinks");
    }
}
