//! Archives that GNU tar writes, in every format that it knows: what is laid down is what it read.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use super::kit::{Stage, tree};
use crate::apply::{Compression, Mode, Options};

/// Files whose names and links fit every format.
fn short(dir: &Path) {
    fs::create_dir(dir.join("d")).unwrap();
    fs::write(dir.join("d/f"), "content").unwrap();
    fs::hard_link(dir.join("d/f"), dir.join("same")).unwrap();
    symlink("d/f", dir.join("link")).unwrap();
    fs::write(dir.join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, dir.join("p"), fifo, 0o600.into(), 0).unwrap();
}

/// Names and link targets of more than 100 bytes, and of more than the 255 of ustar.
fn long(dir: &Path) {
    let deep = dir.join(["n".repeat(120), "m".repeat(130), "o".repeat(140)].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("q".repeat(200)), "deep").unwrap();
    symlink("t".repeat(300), deep.join("l")).unwrap();
    fs::hard_link(deep.join("q".repeat(200)), deep.join("r".repeat(200))).unwrap();
}

/// One file with more extents than a header holds, one that ends in a hole, one that is all hole.
fn sparse(dir: &Path) {
    let many = File::create(dir.join("many")).unwrap();
    for extent in 0..40 {
        many.write_all_at(&[extent as u8 + 1; 4096], extent * (1 << 14)).unwrap();
    }
    let tail = File::create(dir.join("tail")).unwrap();
    tail.write_all_at(b"start", 0).unwrap();
    tail.set_len(512 << 10).unwrap();
    File::create(dir.join("hole")).unwrap().set_len(1 << 30).unwrap();
}

/// Packs `from` with GNU tar and lays it down; both trees must be the same.
fn round_trip(from: &Path, options: &[&str], whole_seconds: bool) {
    let dir = tempfile::TempDir::new().unwrap();
    let archive = dir.path().join("archive.tar");
    let mut tar = Command::new("tar");
    tar.args(options).arg("-cf").arg(&archive).arg("-C").arg(from).arg(".");
    let packed = tar.output().unwrap();
    assert!(packed.status.success(), "{options:?}: {}", String::from_utf8_lossy(&packed.stderr));
    let stage = Stage::new();
    let bytes = fs::read(&archive).unwrap();
    stage.apply_bytes(&Options::new(Mode::Base), Compression::None, bytes).unwrap();
    let mut want = tree(from);
    if whole_seconds {
        want.values_mut().for_each(|node| node.mtime.1 = 0);
    }
    let got = stage.tree();
    for (path, node) in &want {
        assert_eq!(got.get(path), Some(node), "{options:?}: {path:?}");
    }
    assert_eq!(got.len(), want.len(), "{options:?}");
}

#[test]
fn every_format_of_gnu_tar_is_read_as_it_was_meant() {
    if !Path::new("/usr/bin/tar").exists() && !Path::new("/bin/tar").exists() {
        varve_core::testsuite::skipped("archives of GNU tar: it is not installed");
        return;
    }
    let from = tempfile::TempDir::new().unwrap();
    short(from.path());
    round_trip(from.path(), &["--format=ustar"], true);
    fs::remove_file(from.path().join("p")).unwrap();
    round_trip(from.path(), &["--format=v7"], true);
    long(from.path());
    for format in ["--format=gnu", "--format=oldgnu"] {
        round_trip(from.path(), &[format], true);
    }
    round_trip(from.path(), &["--format=posix"], false);
    sparse(from.path());
    for format in ["--format=gnu", "--format=oldgnu"] {
        round_trip(from.path(), &[format, "-S"], true);
    }
    for version in ["0.0", "0.1", "1.0"] {
        let version = format!("--sparse-version={version}");
        round_trip(from.path(), &["--format=posix", "-S", &version], false);
    }
    assert!(fs::metadata(from.path().join("many")).unwrap().blocks() < 1000);
}
