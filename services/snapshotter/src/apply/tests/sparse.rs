//! Sparse files: every form a hole, and maps that lie, or that Go would not look at, refused.

use std::os::unix::fs::MetadataExt;

use super::kit::{Layer, Stage};
use crate::apply::{Compression, Limits, Mode, Options};

fn refused(layer: Layer, why: &str) {
    Stage::new().refuses(Mode::Base, layer, why);
}

/// The file that every sparse form below describes: "ab" at 0, "cd" at 1 MiB, 3 MiB in all.
fn check_sparse(layer: Layer) {
    let stage = Stage::new();
    stage.apply(Mode::Base, layer.file("next", "")).unwrap();
    let bytes = std::fs::read(stage.path("s")).unwrap();
    assert_eq!(
        (bytes.len(), &bytes[..3], &bytes[(1 << 20) - 1..][..4]),
        (3 << 20, &b"ab\0"[..], &b"\0cd\0"[..])
    );
    let blocks = std::fs::metadata(stage.path("s")).unwrap().blocks();
    assert!(blocks * 512 < 1 << 20, "holes are holes: {blocks} blocks");
    assert_eq!(stage.names(), ["next", "s"]);
}

#[test]
fn sparse_files_of_every_form_are_holes() {
    let (size, mib) = ((3 << 20).to_string(), (1 << 20).to_string());
    let (size, mib) = (size.as_bytes(), mib.as_bytes());
    check_sparse(
        Layer::new()
            .pax(&[
                ("GNU.sparse.size", size),
                ("GNU.sparse.numblocks", b"2"),
                ("GNU.sparse.offset", b"0"),
                ("GNU.sparse.numbytes", b"2"),
                ("GNU.sparse.offset", mib),
                ("GNU.sparse.numbytes", b"2"),
            ])
            .file("s", "abcd"),
    );
    let map = [b"0,2,", mib, b",2"].concat();
    let records: &[(&str, &[u8])] =
        &[("GNU.sparse.size", size), ("GNU.sparse.map", &map), ("GNU.sparse.name", b"s")];
    check_sparse(Layer::new().pax(records).file("GNUSparseFile.1/s", "abcd"));
    let mut body = [b"2\n0\n2\n", mib, b"\n2\n"].concat();
    body.resize(512, 0);
    body.extend_from_slice(b"abcd");
    let records: &[(&str, &[u8])] = &[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"s"),
        ("GNU.sparse.realsize", size),
    ];
    check_sparse(Layer::new().pax(records).with(b"GNUSparseFile.1/s", b'0', &body, |_| {}));
    check_sparse(Layer::new().with(b"s", b'S', b"abcd", |header| {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.sparse[0].offset = *b"00000000000\0";
        gnu.sparse[0].numbytes = *b"00000000002\0";
        gnu.sparse[1].offset = *b"00004000000\0";
        gnu.sparse[1].numbytes = *b"00000000002\0";
        gnu.realsize = *b"00014000000\0";
    }));
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    let sparse = |size: &[u8], map: &[u8], body: &str| {
        Layer::new().pax(&[("GNU.sparse.size", size), ("GNU.sparse.map", map)]).file("s", body)
    };
    refused(sparse(b"10", b"4,2,0,2", "abcd"), "overlap");
    refused(sparse(b"10", b"0,2,9,2", "abcd"), "leave the file");
    refused(sparse(b"10", b"0,2", "abcd"), "does not describe");
    refused(sparse(b"10", b"0,9223372036854775807", "abcd"), "leave the file");
    refused(sparse(b"10", b"0,2,4", "ab"), "without a length");
    refused(sparse(b"-1", b"0,2", "ab"), "negative");
    refused(sparse(b"9223372036854775807", b"0,2", "ab"), "more than the limit");
    let one = |body: &[u8]| {
        let records: &[(&str, &[u8])] = &[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", b"10"),
        ];
        let mut body = body.to_vec();
        body.resize(512, 0);
        Layer::new().pax(records).with(b"s", b'0', &body, |_| {})
    };
    refused(one(b"9999999999\n"), "extents");
    refused(one(&[b'1'; 512]), "endless");
    refused(one(b"2\n0\n"), "sparse map");
}

#[test]
fn extents_are_counted() {
    let limits = Limits { extents: 3, ..Limits::default() };
    let options = Options { limits, ..Options::new(Mode::Base) };
    let map: String = (0..4).map(|n| format!("{},1,", n * 2)).collect();
    let records: &[(&str, &[u8])] =
        &[("GNU.sparse.size", b"10"), ("GNU.sparse.map", map.trim_end_matches(',').as_bytes())];
    let layer = Layer::new().pax(records).file("s", "abcd").end();
    assert!(Stage::new().apply_bytes(&options, Compression::None, layer).is_err());
}

#[test]
fn records_that_go_passes_over_make_no_sparse_file() {
    let refuses = |records: &[(&str, &[u8])], why| {
        let mut body = b"1\n0\n2\n".to_vec();
        body.resize(512, 0);
        body.extend_from_slice(b"ab");
        refused(Layer::new().pax(records).with(b"doc", b'0', &body, |_| {}), why);
    };
    let size: (&str, &[u8]) = ("GNU.sparse.size", b"10");
    refuses(&[("GNU.sparse.major", b"1"), size], "sparse format 1.?");
    refuses(&[("GNU.sparse.minor", b"0"), size], "sparse format ?.0");
    refuses(&[("GNU.sparse.minor", b"1"), size, ("GNU.sparse.map", b"0,2")], "sparse format ?.1");
    refuses(&[("GNU.sparse.name", b"sh"), size], "neither a version nor a map");
    let versions: [(&str, &[u8]); 2] = [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")];
    let two = [versions[0], versions[1], size, ("GNU.sparse.realsize", b"11")];
    refuses(&two, "two sizes");
}
