//! What a layer removes, in every order and every mode.

use std::path::Path;
use std::time::Instant;

use super::kit::{Layer, OVERLAY, Stage, node, skipped_without_root};
use crate::apply::{ImpliedDir, Mode, TreePath};

/// A full tree with a few files of lower layers.
fn lower() -> Stage {
    let stage = Stage::new();
    let layer = Layer::new()
        .dir("d")
        .file("d/low", "low")
        .dir("d/sub")
        .file("d/sub/low", "low")
        .file("f", "low")
        .symlink("l", "d");
    stage.apply(Mode::Base, layer).unwrap();
    stage
}

fn in_place(layer: Layer) -> Vec<String> {
    let stage = lower();
    stage.apply(Mode::InPlace, layer).unwrap();
    stage.names()
}

#[test]
fn a_whiteout_removes_what_is_below_and_nothing_of_its_own_layer() {
    let gone = ["d", "d/low", "d/sub", "d/sub/low", "l"];
    assert_eq!(in_place(Layer::new().file(".wh.f", "")), gone);
    let kept = ["d", "d/low", "d/sub", "d/sub/low", "f", "l"];
    assert_eq!(in_place(Layer::new().file(".wh.f", "").file("f", "new")), kept);
    assert_eq!(in_place(Layer::new().file("f", "new").file(".wh.f", "")), kept);
    assert_eq!(in_place(Layer::new().file(".wh.nothing", "").file("no/.wh.x", "")), kept);
}

#[test]
fn an_opaque_marker_keeps_what_its_own_layer_made_before_and_after() {
    let want = ["d", "d/after", "d/before", "d/sub", "d/sub/new", "f", "l"];
    let layer = Layer::new()
        .file("d/before", "")
        .file("d/sub/new", "")
        .file("d/.wh..wh..opq", "")
        .file("d/after", "");
    assert_eq!(in_place(layer.clone()), want);
    assert_eq!(in_place(layer.file("d/.wh..wh..opq", "")), want);
}

#[test]
fn a_whiteout_of_a_directory_that_its_layer_made_empties_it_of_lower_files() {
    let layer = Layer::new().file("d/new", "").file(".wh.d", "");
    assert_eq!(in_place(layer), ["d", "d/new", "f", "l"]);
}

#[test]
fn whiteouts_go_through_symlinks_of_lower_layers() {
    assert_eq!(in_place(Layer::new().file("l/.wh.low", "")), ["d", "d/sub", "d/sub/low", "f", "l"]);
    let other_name = Layer::new().file("l/new", "").file("d/.wh..wh..opq", "");
    assert_eq!(in_place(other_name), ["d", "d/new", "f", "l"]);
}

#[test]
fn on_the_lowest_layer_whiteouts_mean_nothing() {
    let stage = Stage::new();
    let layer = Layer::new().file("a", "").file(".wh.a", "").file("no/.wh.x", "");
    stage.apply(Mode::Base, layer).unwrap();
    assert_eq!(stage.names(), ["a"]);
}

#[test]
fn files_of_aufs_are_skipped() {
    let stage = Stage::new();
    let layer = Layer::new().dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "").file("a", "");
    let applied = stage.apply(Mode::InPlace, layer).unwrap();
    assert_eq!(stage.names(), ["a"]);
    assert_eq!(applied.tree.notices.iter().next().unwrap().count, 2);
}

#[test]
fn directories_that_a_layer_only_passes_through_keep_their_times() {
    let stage = lower();
    let before = stage.tree();
    let layer = Layer::new().file("d/new", "").file("l/.wh.low", "").file("d/sub/.wh.low", "");
    stage.apply(Mode::InPlace, layer).unwrap();
    for name in [".", "d", "d/sub"] {
        assert_eq!(before[Path::new(name)], stage.tree()[Path::new(name)], "{name}");
    }
}

#[test]
fn in_an_overlay_a_whiteout_is_a_device_and_an_opaque_directory_has_the_mark() {
    if skipped_without_root("whiteout devices") {
        return;
    }
    let stage = Stage::new();
    let layer = Layer::new().dir("d").file("d/.wh.x", "").dir("o").file("o/.wh..wh..opq", "");
    stage.apply(OVERLAY, layer).unwrap();
    let whiteout = node(&stage.path("d/x"));
    assert_eq!((whiteout.mode & 0o170000, whiteout.device), (0o020000, 0));
    assert_eq!(node(&stage.path("o")).xattrs["trusted.overlay.opaque"], b"y");
    assert!(node(&stage.path("d")).xattrs.is_empty());
}

#[test]
fn what_is_both_hidden_and_made_is_opaque_in_an_overlay_in_any_order() {
    if skipped_without_root("opaque directories") {
        return;
    }
    let orders = [
        Layer::new().file(".wh.d", "").dir("d").file("d/x", ""),
        Layer::new().dir("d").file(".wh.d", "").file("d/x", ""),
        Layer::new().dir("d").file("d/x", "").file(".wh.d", ""),
        Layer::new().file(".wh.d", "").file("d/x", ""),
        Layer::new().file("d", "").dir("d").file("d/x", ""),
    ];
    for (order, layer) in orders.into_iter().enumerate() {
        let stage = Stage::new();
        stage.apply(OVERLAY, layer).unwrap();
        assert_eq!(stage.names(), ["d", "d/x"], "order {order}");
        let xattrs = node(&stage.path("d")).xattrs;
        assert_eq!(xattrs.get("trusted.overlay.opaque").map(Vec::as_slice), Some(&b"y"[..]));
    }
}

#[test]
fn a_directory_that_only_holds_whiteouts_can_itself_be_hidden() {
    let stage = Stage::new();
    let layer = Layer::new().file("c/.wh.a", "").file(".wh.c", "");
    assert!(stage.apply(OVERLAY, layer).unwrap().tree.needs_parent || !stage.path("c").is_dir());
}

#[test]
fn a_device_that_an_overlay_would_take_for_a_whiteout_is_not_made() {
    for mode in [OVERLAY, Mode::InPlace, Mode::Base] {
        let stage = Stage::new();
        std::fs::write(stage.path("x"), "of a lower layer").unwrap();
        let applied = stage.apply(mode, Layer::new().with(b"x", b'3', b"", |_| {})).unwrap();
        assert_eq!(stage.read("x"), "of a lower layer", "{mode:?}");
        assert!(applied.tree.notices.iter().next().unwrap().to_string().contains("0:0"));
    }
}

#[test]
fn implied_directories_are_told_and_described_ones_are_not() {
    let stage = Stage::new();
    let layer = Layer::new().file("a/b/c", "").dir("a/b").file("gone/.wh.x", "");
    let tree = stage.apply(OVERLAY, layer).unwrap().tree;
    let dir = |path: &str, hollow| ImpliedDir { path: path.into(), hollow };
    assert_eq!(tree.implied_dirs, [dir(".", false), dir("a", false), dir("gone", true)]);
    assert!(!tree.needs_parent);
    assert_eq!(tree.parent_dirs, [TreePath::root().join(b"a").join(b"b")]);
    let root = Stage::new().apply(OVERLAY, Layer::new().dir("./").file("a", "")).unwrap();
    assert!(root.tree.implied_dirs.is_empty());
}

#[test]
fn what_was_made_in_an_implied_directory_that_is_replaced_may_belong_elsewhere() {
    let replaced = Layer::new().file("e/f/g", "").file("e", "a file now");
    assert!(Stage::new().apply(OVERLAY, replaced).unwrap().tree.needs_parent);
    let emptied = Layer::new().dir("e").file("e/f/.wh.g", "").file("e/.wh..wh..opq", "");
    assert!(Stage::new().apply(OVERLAY, emptied).unwrap().tree.needs_parent);
}

#[test]
fn a_symlink_of_the_layer_to_a_directory_below_implies_the_real_directory() {
    let stage = Stage::new();
    let layer = Layer::new().symlink("lib", "usr/lib").file("lib/x", "");
    let tree = stage.apply(OVERLAY, layer).unwrap().tree;
    let paths: Vec<_> = tree.implied_dirs.iter().map(|dir| dir.path.to_str().unwrap()).collect();
    assert_eq!(paths, [".", "usr", "usr/lib"]);
    assert_eq!(stage.names(), ["lib", "usr", "usr/lib", "usr/lib/x"]);
}

#[test]
fn a_hard_link_into_a_lower_layer_needs_the_parent() {
    let stage = Stage::new();
    let tree = stage.apply(OVERLAY, Layer::new().dir("d").hard("d/x", "bin/low")).unwrap().tree;
    assert!(tree.needs_parent);
    assert_eq!(tree.missing_links[0].as_path(), Path::new("bin/low"));
    for mode in [Mode::Base, Mode::InPlace] {
        Stage::new().refuses(mode, Layer::new().hard("x", "low"), "not there");
    }
}

#[test]
fn a_hard_link_to_what_the_layer_hides_needs_the_parent() {
    let layer = Layer::new().file(".wh.low", "").hard("x", "low");
    assert!(Stage::new().apply(OVERLAY, layer).unwrap().tree.needs_parent);
}

#[test]
fn an_opaque_root_needs_the_parent_in_an_overlay() {
    let tree = Stage::new().apply(OVERLAY, Layer::new().file(".wh..wh..opq", "")).unwrap().tree;
    assert!(tree.needs_parent);
    let by_link = Layer::new().symlink("b", "..").file("b/.wh..wh..opq", "");
    assert!(Stage::new().apply(OVERLAY, by_link).unwrap().tree.needs_parent);
    let stage = lower();
    stage.apply(Mode::InPlace, Layer::new().file("n", "").file(".wh..wh..opq", "")).unwrap();
    assert_eq!(stage.names(), ["n"]);
}

#[test]
fn thousands_of_repeated_opaque_markers_cost_no_quadratic_work() {
    let mut layer = Layer::new().dir("d");
    for file in 0..2000 {
        layer = layer.file(&format!("d/{file}"), "");
    }
    let deep = (0..100).fold(String::from("d"), |path, _| path + "/x");
    layer = layer.pax(&[("path", format!("{deep}/y").as_bytes())]).file("long", "");
    for _ in 0..20_000 {
        layer = layer.file("d/.wh..wh..opq", "");
    }
    let (stage, start) = (Stage::new(), Instant::now());
    stage.apply(Mode::InPlace, layer).unwrap();
    let took = start.elapsed();
    assert_eq!(stage.names().len(), 2102);
    // Quadratic, it reads 40 million directory entries: half a minute and more.
    assert!(took.as_secs() < 8, "{took:?}");
}
