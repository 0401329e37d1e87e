//! Each limit refuses with the thing, the bound and the configuration's word for it; and another value moves it.

use std::io::Write;

use super::kit::{Layer, Stage};
use crate::apply::{Compression, Limits, Mode, Options};

/// What is said of a layer that goes beyond `limits`; `None` where it is applied.
fn said(limits: &Limits, compression: Compression, bytes: Vec<u8>) -> Option<String> {
    let options = Options { limits: limits.clone(), ..Options::new(Mode::Base) };
    let applied = Stage::new().apply_bytes(&options, compression, bytes);
    applied.err().map(|error| varve_core::Error::from(error).chain())
}

/// Refused within `tight`, in these words, and taken within the defaults.
fn bounded(tight: Limits, bytes: &[u8], words: &[&str]) {
    let said_tight = said(&tight, Compression::None, bytes.to_vec()).expect("it is too much");
    for word in words {
        assert!(said_tight.contains(word), "{said_tight:?} does not say {word:?}");
    }
    assert_eq!(said(&Limits::default(), Compression::None, bytes.to_vec()), None);
}

fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    Layer::new().pax(&[(key, value)]).file("f", "").end()
}

#[test]
fn what_an_entry_may_say_is_bounded_each_with_its_word() {
    let few = Limits::default;
    let two = Layer::new().file("a", "").file("b", "").end();
    let words = ["more entries", "limit of 1 ", "snapshotter.limits.entries"];
    bounded(Limits { entries: 1, ..few() }, &two, &words);
    bounded(Limits { path: 9, ..few() }, &pax("path", b"abc/def/ghi"), &["longer than 9 bytes"]);
    bounded(Limits { name: 9, ..few() }, &pax("path", b"x/abcdefghij"), &["longer than 9"]);
    let link = Layer::new().symlink("l", "far/away").end();
    bounded(Limits { path: 5, ..few() }, &link, &["link target", "longer than 5 bytes"]);
    let value = pax("SCHILY.xattr.user.x", b"12345");
    bounded(Limits { xattr_value: 4, ..few() }, &value, &["attribute has more than 4 bytes"]);
    let records: [(&str, &[u8]); 2] =
        [("SCHILY.xattr.user.x", b"1"), ("SCHILY.xattr.user.y", b"1")];
    let two = Layer::new().pax(&records).file("f", "").end();
    bounded(Limits { xattrs: 1, ..few() }, &two, &["more than 1 attributes"]);
    let long = pax("comment", &[b'x'; 1000]);
    let words = ["larger extension header", "limit of 600 ", "snapshotter.limits.extension)"];
    bounded(Limits { extension: 600, ..few() }, &long, &words);
    let records: [(&str, &[u8]); 2] = [("GNU.sparse.size", b"10"), ("GNU.sparse.map", b"0,1,4,1")];
    let holes = Layer::new().pax(&records).file("s", "ab").end();
    bounded(Limits { extents: 1, ..few() }, &holes, &["more than 1 extents"]);
    let large = Layer::new().file("f", &"x".repeat(4000)).end();
    let words = ["more than the limit of 2000 ", "snapshotter.limits.total_bytes"];
    bounded(Limits { total_bytes: 2000, ..few() }, &large, &words);
}

#[test]
fn a_directory_through_a_link_is_bounded_by_its_real_path() {
    let layer = Layer::new().dir("a/deep-enough").symlink("l", "a/deep-enough").dir("l/and-more");
    let tight = Limits { path: 20, ..Limits::default() };
    bounded(tight, &layer.end(), &["its real path is too long"]);
}

/// A sparse file of `count` extents of `len` bytes, 8 KiB apart.
fn scattered(layer: Layer, count: usize, len: usize) -> Layer {
    let map: Vec<_> = (0..count).map(|at| format!("{},{len}", at * 8192)).collect();
    let (map, size) = (map.join(","), (count * 8192).to_string());
    let records: [(&str, &[u8]); 2] =
        [("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", map.as_bytes())];
    layer.pax(&records).file("s", &"x".repeat(count * len))
}

#[test]
fn blocks_that_sparse_files_fill_in_part_are_counted_over_the_layer() {
    let few = Limits { extents: 10, ..Limits::default() };
    let files = |len| (0..6).fold(Layer::new(), |layer, _| scattered(layer, 4, len));
    let words = ["blocks that its sparse files fill in part", "limit of 10 ", "limits.extents)"];
    bounded(few.clone(), &files(1).end(), &words);
    let whole = files(4096).end();
    assert_eq!(said(&few, Compression::None, whole), None, "they take what is stored");
}

#[test]
fn extension_headers_before_one_entry_are_counted_whatever_their_kind() {
    let one = |layer: Layer, flag| {
        let global = || super::kit::pax_body(&[("comment", b"x")]);
        let body = if flag == b'g' { global() } else { b"name\0".to_vec() };
        layer.with(b"e", flag, &body, |_| {})
    };
    for flag in [b'L', b'K', b'g'] {
        let layer = (0..20).fold(Layer::new(), |layer, _| one(layer, flag));
        let bytes = layer.symlink("f", "t").end();
        let tight = Limits { extensions: 19, ..Limits::default() };
        bounded(
            tight,
            &bytes,
            &["extension headers", "limit of 19 ", "snapshotter.limits.extensions"],
        );
    }
}

#[test]
fn what_comes_out_of_compressed_bytes_is_bounded_by_ratio_size_and_window() {
    let zeros = Layer::new().file("z", &"\0".repeat(4 << 20)).end();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&zeros).unwrap();
    let packed = [
        (Compression::Gzip, gzip.finish().unwrap()),
        (Compression::Zstd, zstd::encode_all(&zeros[..], 3).unwrap()),
    ];
    for (compression, bytes) in packed {
        let within = |limits: Limits| said(&limits, compression, bytes.clone());
        assert_eq!(within(Limits::default()), None, "below the floor no ratio counts");
        let tight = Limits { ratio: 100, ratio_floor: 1 << 20, ..Limits::default() };
        let told = within(tight).unwrap();
        assert!(
            told.contains("compressed ones (ratio)") && told.contains("limit of 100 "),
            "{told}"
        );
        let told = within(Limits { total_bytes: 1 << 20, ..Limits::default() }).unwrap();
        assert!(told.contains("limit of 1048576 (snapshotter.limits.total_bytes)"), "{told}");
    }
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(21).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(&zeros).unwrap();
    let bytes = encoder.finish().unwrap();
    assert_eq!(said(&Limits::default(), Compression::Zstd, bytes.clone()), None);
    let told = said(&Limits { window: 1 << 20, ..Limits::default() }, Compression::Zstd, bytes);
    let told = told.unwrap();
    assert!(told.contains("a larger zstd window, more than the limit of 1048576 "), "{told}");
}

#[test]
fn a_configuration_sets_each_limit_and_none_that_bounds_nothing() {
    let read = |text: &str| serde_json::from_str::<Limits>(text).map_err(|error| error.to_string());
    assert_eq!(read("{}").unwrap(), Limits::default());
    let few = read(r#"{"entries": 7, "window": 1048576}"#).unwrap();
    assert_eq!((few.entries, few.window), (7, 1 << 20));
    for (text, why) in [
        (r#"{"entries": 0}"#, "entries is 0, and must be from 1 to "),
        (r#"{"path": 4096}"#, "path is 4096, and must be from 1 to 4095"),
        (r#"{"name": 256}"#, "name is 256"),
        (r#"{"window": 1}"#, "window is 1"),
        (r#"{"ratio": 0}"#, "ratio is 0"),
        (r#"{"total_bytes": 0}"#, "total_bytes is 0"),
        (r#"{"extension": 1}"#, "extension is 1"),
        (r#"{"extensions": 0}"#, "extensions is 0"),
        (r#"{"extents": 0}"#, "extents is 0"),
        (r#"{"xattr_value": 100000}"#, "xattr_value is 100000"),
        (r#"{"entrys": 1}"#, "unknown field"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}
