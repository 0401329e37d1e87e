//! Inputs of public records (docs/threats.md) that the other files do not have: exchanges while a layer is
//! applied, links meant for the working directory, bombs, and work that must not grow with the square.

use std::fs::{self, File};
use std::io::{Cursor, Read};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::kit::{Layer, OVERLAY, Stage, tree};
use crate::apply::{ApplyError, Compression, Limits, Mode, Options, apply};

const MODES: [Mode; 3] = [Mode::Base, Mode::InPlace, OVERLAY];

/// How many of what is counted: more where VARVE_THREATS says so.
fn count(usually: usize) -> usize {
    let told = std::env::var("VARVE_THREATS").ok();
    told.and_then(|text| text.parse().ok()).unwrap_or(usually)
}

/// Exchanges `a` and `b` until told to stop; answers how often.
fn exchange(a: &std::path::Path, b: &std::path::Path, stop: &AtomicBool) -> u64 {
    let mut times = 0;
    while !stop.load(Ordering::Relaxed) {
        if renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok() {
            times += 1;
        }
    }
    times
}

/// A layer with all that makes, changes or removes something in `d`.
fn busy() -> Layer {
    let mut layer = Layer::new();
    for n in 0..40 {
        layer = layer
            .file("d/secret", "owned")
            .with(b"d", b'5', b"", |header| header.set_mode(0o777))
            .dir(&format!("d/sub{n}"))
            .file(&format!("d/sub{n}/file"), "owned")
            .file("d/.wh.secret", "")
            .symlink("d/link", "elsewhere")
            .hard("d/other", "d/secret")
            .file("d/sub/.wh..wh..opq", "")
            .file("d/.wh.sub", "");
    }
    layer
}

#[test]
fn a_directory_that_is_exchanged_for_a_link_while_a_layer_is_applied_leads_nowhere() {
    let (mut applied, mut exchanged) = (0, 0);
    for round in 0..count(30) {
        let stage = Stage::new();
        let (dir, link) = (stage.path("d"), stage.path("x"));
        fs::create_dir_all(dir.join("sub")).unwrap();
        symlink(stage.canary(), &link).unwrap();
        let before = tree(&stage.canary());
        let stop = AtomicBool::new(false);
        exchanged += std::thread::scope(|scope| {
            let exchanging = scope.spawn(|| exchange(&dir, &link, &stop));
            let mode = if round % 2 == 0 { Mode::InPlace } else { Mode::Base };
            let root = File::open(stage.root()).unwrap();
            let bytes = Cursor::new(busy().end());
            // Refused or not: what is exchanged under it may well make it fail.
            applied +=
                apply(bytes, Compression::None, root.into(), &Options::new(mode)).is_ok() as u32;
            stop.store(true, Ordering::Relaxed);
            exchanging.join().unwrap()
        });
        assert_eq!(tree(&stage.canary()), before, "round {round}: something outside changed");
    }
    assert!(exchanged > 100, "{exchanged} exchanges, {applied} layers applied");
}

#[test]
fn a_hard_link_is_never_looked_for_in_the_working_directory() {
    // Cargo runs tests in the package's directory.
    assert!(fs::exists("Cargo.toml").unwrap());
    for target in ["Cargo.toml", "./Cargo.toml", "src/../Cargo.toml"] {
        for mode in MODES {
            let stage = Stage::new();
            stage.refuses_or_needs_parent(mode, Layer::new().hard("x", target), "not there");
            assert!(!stage.path("x").exists());
        }
    }
}

#[test]
fn a_hard_link_to_a_directory_or_to_what_only_comes_later_is_refused() {
    for mode in MODES {
        let to_dir = Layer::new().dir("d").hard("x", "d");
        Stage::new().refuses_or_needs_parent(mode, to_dir, "directory");
        let later = Layer::new().hard("x", "y").file("y", "");
        Stage::new().refuses_or_needs_parent(mode, later, "not there");
    }
}

#[test]
fn no_type_of_entry_but_those_of_layers_is_made() {
    for flag in (b' '..=b'~').filter(|flag| !b"01234567SxgLK".contains(flag)) {
        let layer = Layer::new().with(b"s", flag, b"", |_| {});
        Stage::new().refuses(Mode::Base, layer, "which no layer has");
    }
}

/// A sparse file in GNU's old form, whose map goes on for `blocks` blocks of 21 extents.
fn old_sparse(blocks: usize, real_size: [u8; 12]) -> Layer {
    let layer = Layer::new().with(b"s", b'S', b"", |header| {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.isextended = [1];
        gnu.realsize = real_size;
    });
    (0..blocks).fold(layer, |layer, n| {
        let mut block = [0; 512];
        for extent in block[..504].chunks_exact_mut(24) {
            let number = [&[b'0'; 11][..], &[0]].concat();
            extent.copy_from_slice(&number.repeat(2));
        }
        block[504] = (n + 1 < blocks).into();
        layer.body(&block)
    })
}

#[test]
fn a_sparse_map_without_end_is_refused_before_it_is_memory() {
    let limits = Limits { extents: 1000, ..Limits::default() };
    let options = Options { limits, ..Options::new(Mode::Base) };
    let apply = |blocks| {
        let bytes = old_sparse(blocks, *b"00000000000\0").end();
        Stage::new().apply_bytes(&options, Compression::None, bytes)
    };
    assert!(apply(40).is_ok());
    let error = apply(100).unwrap_err();
    assert!(matches!(error, ApplyError::Limit { key: "extents", limit: 1000, .. }), "{error:?}");
}

#[test]
fn a_file_of_eight_exbibytes_is_refused_in_every_form() {
    let base256 = |size: u64| {
        let mut field = [0; 12];
        field[0] = 0x80;
        field[4..].copy_from_slice(&size.to_be_bytes());
        field
    };
    let plain = |size: u64| {
        Layer::new().with(b"f", b'0', b"", |header| header.as_old_mut().size = base256(size))
    };
    let most = i64::MAX as u64;
    Stage::new().refuses(Mode::Base, old_sparse(1, base256(most)), "total_bytes");
    Stage::new().refuses(Mode::Base, plain(most), "total_bytes");
    Stage::new().refuses(Mode::Base, plain(most + 1), "no number");
    let text = most.to_string();
    let map: (&str, &[u8]) = ("GNU.sparse.map", b"0,0");
    let (plain, sparse) = (("size", text.as_bytes()), ("GNU.sparse.size", text.as_bytes()));
    for records in [&[plain][..], &[sparse, map]] {
        let layer = Layer::new().pax(records).file("f", "");
        Stage::new().refuses(Mode::Base, layer, "total_bytes");
    }
}

/// 1 GiB of zeros: 32 KiB. A hundred of them are a bomb of 100 GiB in 3 MiB.
fn bomb(frames: usize) -> Vec<u8> {
    let head = Layer::new().with(b"zeros", b'0', b"", |header| header.set_size(100 << 30)).0;
    let frame = zstd::encode_all(std::io::repeat(0).take(1 << 30), 3).unwrap();
    assert!(frame.len() < 64 << 10, "{}", frame.len());
    let mut bytes = zstd::encode_all(&head[..], 3).unwrap();
    (0..frames).for_each(|_| bytes.extend_from_slice(&frame));
    bytes
}

#[test]
fn a_few_mebibytes_that_are_a_hundred_gibibytes_of_zeros_stop_at_the_floor() {
    let floor = 16 << 20;
    let limits = Limits { ratio_floor: floor, ..Limits::default() };
    let options = Options { limits, ..Options::new(Mode::Base) };
    let (stage, bytes) = (Stage::new(), bomb(100));
    assert!(bytes.len() < 8 << 20);
    let error = stage.apply_bytes(&options, Compression::Zstd, bytes).unwrap_err();
    assert!(matches!(error, ApplyError::Limit { key: "ratio", limit: 2000, .. }), "{error:?}");
    let written = fs::metadata(stage.path("zeros")).map_or(0, |file| file.len());
    assert!(written <= floor, "{written} bytes were written");
}

#[test]
fn gzip_members_inside_one_another_and_side_by_side_are_inflated_once() {
    use std::io::Write;
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zeros = vec![0; 64 << 20];
    let (once, head) = (gzip(&zeros), gzip(&Layer::new().file("a", "").0));
    let limits = Limits { ratio: 500, ratio_floor: 80 << 20, ..Limits::default() };
    let options = Options { limits, ..Options::new(Mode::Base) };
    let apply = |bytes| Stage::new().apply_bytes(&options, Compression::Gzip, bytes);
    let members = [head, once.clone(), once.clone(), once.clone()].concat();
    let error = apply(members).unwrap_err();
    assert!(matches!(error, ApplyError::Limit { key: "ratio", .. }), "{error:?}");
    // What is packed twice is unpacked once, and no tar then.
    let error = apply(gzip(&once)).unwrap_err();
    assert!(matches!(error, ApplyError::Malformed { .. }), "{error:?}");
}

/// How long a layer takes in place, on a tree of `files` files in one directory.
fn took(files: usize, again: usize, what: &str) -> Duration {
    let mut layer = Layer::new().dir("d");
    for file in 0..files {
        layer = layer.file(&format!("d/{file}"), "");
    }
    for _ in 0..again {
        layer = layer.file(what, "");
    }
    let mut all = Duration::ZERO;
    for mode in MODES {
        let (stage, start) = (Stage::new(), Instant::now());
        stage.apply(mode, layer.clone()).unwrap();
        all += start.elapsed();
    }
    all
}

#[test]
fn a_marker_that_stands_thousands_of_times_costs_each_time_the_same_in_every_mode() {
    for what in ["d/.wh..wh..opq", "d/.wh.gone", ".wh.gone", "no/such/.wh..wh..opq"] {
        let (few, many) = (took(400, 400, what), took(400, 4000, what));
        // Ten times the markers; with the square a hundred times as long, or all files each time.
        assert!(many < few * 30 + Duration::from_secs(1), "{what}: {few:?}, {many:?}");
    }
}

#[test]
fn a_million_entries_are_counted_and_cost_each_the_same() {
    let limits = |entries: usize| Limits { entries: entries as u64, ..Limits::default() };
    let refused = |entries: usize| {
        let mut layer = Layer::new();
        for n in 0..entries {
            layer = layer.file(&format!("f{}", n % 1000), "");
        }
        let options = Options { limits: limits(entries - 1), ..Options::new(Mode::Base) };
        let (start, bytes) = (Instant::now(), layer.end());
        let error = Stage::new().apply_bytes(&options, Compression::None, bytes).unwrap_err();
        assert!(matches!(error, ApplyError::Limit { key: "entries", .. }), "{error:?}");
        start.elapsed()
    };
    let entries = count(6000);
    let (few, many) = (refused(entries / 10), refused(entries));
    // Ten times the entries; with the square a hundred times as long.
    assert!(many < few * 30 + Duration::from_secs(1), "{few:?}, {many:?}");
}

#[test]
fn a_tree_deeper_than_any_name_is_refused_however_it_is_reached() {
    // Each link leads two thousand bytes further down: a tree of any depth, were they followed.
    let deep = format!("{}/", "d".repeat(200)).repeat(10);
    let mut layer = Layer::new();
    for n in 0..100 {
        let from = if n == 0 { String::new() } else { format!("l{}/", n - 1) };
        let target = format!("{from}{deep}");
        layer = layer.pax(&[("linkpath", target.as_bytes())]).symlink(&format!("l{n}"), "x");
    }
    let through = |link: &str| layer.clone().file(&format!("{link}/f"), "");
    Stage::new().refuses(Mode::InPlace, through("l19"), "its real path is too long");
    Stage::new().refuses(Mode::InPlace, through("l99"), "too many symlinks");
    let layer = Layer::new().pax(&[("path", "d/".repeat(100_000).as_bytes())]).file("f", "");
    Stage::new().refuses(Mode::Base, layer, "longer than 4095 bytes");
}

#[test]
fn names_through_links_into_the_depth_are_counted_by_what_they_cost() {
    let deep = "d/".repeat(500);
    let mut layer = Layer::new()
        .pax(&[("path", deep.as_bytes())])
        .dir("d")
        .pax(&[("linkpath", deep.as_bytes())])
        .symlink("l", "d");
    for n in 0..40 {
        layer = layer.file(&format!("l/{n}/f"), "");
    }
    let bytes = layer.end();
    let apply = |walked| {
        let limits = Limits { walked, ..Limits::default() };
        let options = Options { limits, ..Options::new(Mode::InPlace) };
        Stage::new().apply_bytes(&options, Compression::None, bytes.clone())
    };
    let error = apply(4 << 20).unwrap_err();
    assert!(matches!(error, ApplyError::Limit { key: "walked", .. }), "{error:?}");
    assert!(apply(64 << 20).is_ok());
}
