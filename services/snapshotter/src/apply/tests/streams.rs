//! Compressed streams: whole, joined, cut off, spoiled, bombs, cancelled, broken under way.

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::write::GzEncoder;
use varve_core::{DiffId, Digest};

use super::kit::{Layer, OVERLAY, Stage};
use crate::apply::{ApplyError, Compression, Entry, Limits, Mode, Options, Sink, apply_to};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn layer() -> Vec<u8> {
    Layer::new().dir("d").file("d/a", &"abc".repeat(100_000)).end()
}

fn run(compression: Compression, bytes: Vec<u8>) -> Result<DiffId, ApplyError> {
    let stage = Stage::new();
    let applied = stage.apply_bytes(&Options::new(Mode::Base), compression, bytes)?;
    assert_eq!(stage.read("d/a").len(), 300_000);
    Ok(applied.diff_id())
}

#[test]
fn the_diff_id_is_of_every_uncompressed_byte() {
    let mut bytes = layer();
    bytes.extend_from_slice(&[0; 10_000]);
    bytes.extend_from_slice(b"what follows the end of the archive");
    let want = DiffId(Digest::of(&bytes));
    assert_eq!(run(Compression::Gzip, gzip(&bytes)).unwrap(), want);
    assert_eq!(run(Compression::Zstd, zstd(&bytes)).unwrap(), want);
    assert_eq!(run(Compression::None, bytes).unwrap(), want);
}

#[test]
fn members_and_frames_are_joined_and_empty_ones_are_legal() {
    let bytes = layer();
    let (a, b) = bytes.split_at(777);
    let want = DiffId(Digest::of(&bytes));
    let members = [gzip(a), gzip(b""), gzip(b), gzip(b"")].concat();
    assert_eq!(run(Compression::Gzip, members).unwrap(), want);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let frames = [skippable.clone(), zstd(a), zstd(b""), zstd(b), skippable].concat();
    assert_eq!(run(Compression::Zstd, frames).unwrap(), want);
}

#[test]
fn what_follows_the_last_member_is_refused() {
    for garbage in [&b"garbage"[..], &[0; 512], b"\x1f", b"\x1f\x8b"] {
        let gzipped = [&gzip(&layer())[..], garbage].concat();
        let error = run(Compression::Gzip, gzipped).unwrap_err();
        assert!(matches!(error, ApplyError::Corrupt(Compression::Gzip, _)), "{error:?}");
        let zstandard = [&zstd(&layer())[..], garbage].concat();
        let error = run(Compression::Zstd, zstandard).unwrap_err();
        assert!(matches!(error, ApplyError::Corrupt(Compression::Zstd, _)), "{error:?}");
    }
}

#[test]
fn a_stream_that_is_cut_off_or_spoiled_anywhere_is_refused() {
    for (compression, whole) in
        [(Compression::Gzip, gzip(&layer())), (Compression::Zstd, zstd(&layer()))]
    {
        for end in (4..whole.len()).step_by(37).chain([whole.len() - 1]) {
            let error = run(compression, whole[..end].to_vec()).unwrap_err();
            assert!(matches!(error, ApplyError::Corrupt(..)), "{end}: {error:?}");
        }
    }
    let mut spoiled = gzip(&layer());
    let middle = spoiled.len() - 6;
    spoiled[middle] ^= 1;
    assert!(matches!(run(Compression::Gzip, spoiled), Err(ApplyError::Corrupt(..))));
}

#[test]
fn the_bytes_say_how_they_are_compressed_whatever_the_media_type_says() {
    let (plain, gz, zs) = (layer(), gzip(&layer()), zstd(&layer()));
    for (says, bytes) in [
        (Compression::Gzip, plain.clone()),
        (Compression::Gzip, zs.clone()),
        (Compression::Zstd, gz.clone()),
        (Compression::Zstd, plain),
        (Compression::None, gz),
        (Compression::None, zs),
    ] {
        let diff_id = run(says, bytes).unwrap();
        assert_eq!(diff_id, DiffId(Digest::of(&layer())), "{says:?}");
    }
}

#[test]
fn bytes_that_no_layer_may_be_compressed_with_are_refused() {
    for bytes in [b"\xfd7zXZ\0\0\0".as_slice(), b"BZh91AY&SY"] {
        let error = run(Compression::Gzip, bytes.to_vec()).unwrap_err();
        assert!(matches!(error, ApplyError::UnknownCompression { .. }), "{error:?}");
    }
}

#[test]
fn a_zstd_window_above_64_mib_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(&layer()).unwrap();
    let error = run(Compression::Zstd, encoder.finish().unwrap()).unwrap_err();
    assert!(
        matches!(error, ApplyError::Limit { key: "window", limit: 67_108_864, .. }),
        "{error:?}"
    );
}

fn limited(limits: Limits, bytes: Vec<u8>) -> ApplyError {
    let options = Options { limits, ..Options::new(Mode::Base) };
    Stage::new().apply_bytes(&options, Compression::Zstd, bytes).unwrap_err()
}

#[test]
fn bombs_are_stopped_by_ratio_and_by_size() {
    let bomb = zstd(&Layer::new().file("z", &"\0".repeat(50 << 20)).end());
    assert!(bomb.len() < 10_000, "{}", bomb.len());
    let ratio = Limits { ratio_floor: 1 << 20, ..Limits::default() };
    let error = limited(ratio, bomb.clone());
    assert!(matches!(&error, ApplyError::Limit { limit: 2000, .. }), "{error:?}");
    let size = Limits { total_bytes: 10 << 20, ..Limits::default() };
    assert!(matches!(limited(size, bomb), ApplyError::Limit { limit: 10_485_760, .. }));
    let entries = Limits { entries: 1, ..Limits::default() };
    assert!(matches!(limited(entries, zstd(&layer())), ApplyError::Limit { limit: 1, .. }));
}

#[test]
fn directories_that_names_imply_count_as_entries() {
    let limits = Limits { entries: 50, ..Limits::default() };
    let name = "x/".repeat(100);
    let layer = Layer::new().pax(&[("path", name.as_bytes())]).file("x", "");
    assert!(matches!(limited(limits, zstd(&layer.end())), ApplyError::Limit { limit: 50, .. }));
}

#[test]
fn a_layer_that_implies_too_many_directories_waits_for_its_parent() {
    let files = (0..50).fold(Layer::new(), |layer, n| layer.file(&format!("{n}/x/y/f"), ""));
    let bytes = zstd(&files.end());
    let run = |remembered| {
        let limits = Limits { remembered, ..Limits::default() };
        let options = Options { limits, ..Options::new(OVERLAY) };
        let applied = Stage::new().apply_bytes(&options, Compression::Zstd, bytes.clone());
        let tree = applied.unwrap().tree;
        (tree.needs_parent, tree.implied_dirs.len())
    };
    // The root is one of them.
    assert_eq!(run(1000), (false, 151));
    assert_eq!(run(100), (true, 1));
}

#[test]
fn a_source_that_fails_is_told_apart_from_bytes_that_are_wrong() {
    let whole = gzip(&layer());
    let broken = Cursor::new(whole[..100].to_vec()).chain(Broken);
    let stage = Stage::new();
    let root = std::fs::File::open(stage.root()).unwrap().into();
    let options = Options::new(Mode::Base);
    let error = crate::apply::apply(broken, Compression::Gzip, root, &options).unwrap_err();
    let ApplyError::Source(source) = &error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "ingest gone");
    assert_eq!(varve_core::Error::from(error).kind(), varve_core::Kind::Aborted);
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other(varve_core::Error::aborted("ingest gone")))
    }
}

#[test]
fn a_cancelled_apply_stops_with_that_reason_however_long_the_layer_is() {
    let options = Options::new(Mode::Base);
    let (cancel, seen) = (options.cancel.clone(), Arc::new(AtomicU64::new(0)));
    let read = seen.clone();
    let progress = move |bytes| {
        read.store(bytes, Ordering::Relaxed);
        if bytes > 1 << 20 {
            cancel.cancel();
        }
    };
    let options = Options { progress: Some(Arc::new(progress)), ..options };
    let stage = Stage::new();
    let root = std::fs::File::open(stage.root()).unwrap().into();
    let endless = Cursor::new(Layer::new().with(b"z", b'0', b"", |h| h.set_size(1 << 39)).0)
        .chain(io::repeat(0));
    let error = crate::apply::apply(endless, Compression::None, root, &options).unwrap_err();
    assert!(matches!(error, ApplyError::Cancelled), "{error:?}");
    assert!(seen.load(Ordering::Relaxed) < 16 << 20);
}

struct Panicking;

impl Sink for Panicking {
    type Output = ();
    fn entry(&mut self, _: &Entry, _: &mut dyn io::BufRead) -> Result<(), ApplyError> {
        panic!("a defect")
    }
    fn finish(self) -> Result<(), ApplyError> {
        Ok(())
    }
}

#[test]
fn a_panic_on_either_thread_is_an_error_and_both_are_joined() {
    let options = Options::new(Mode::Base);
    let endless = || Cursor::new(layer()).chain(io::repeat(0));
    let error = apply_to(endless(), Compression::None, Panicking, &options).unwrap_err();
    assert!(matches!(&error, ApplyError::Panicked(why) if why == "a defect"), "{error:?}");
    let options =
        Options { progress: Some(Arc::new(|_| panic!("theirs"))), ..Options::new(Mode::Base) };
    let stage = Stage::new();
    let error = stage.apply_bytes(&options, Compression::None, layer()).unwrap_err();
    assert!(matches!(&error, ApplyError::Panicked(why) if why == "theirs"), "{error:?}");
}
