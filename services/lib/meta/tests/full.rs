//! A full disk: writes are refused before sled meets it, deletions still work, and a disk that
//! fills up all the same loses nothing that was answered.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in tests, and misses their helpers.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;
use varve_core::{Kind, Result};
use varve_meta::{Db, MAX_VALUE, Options};

const CHILD: &str = "VARVE_META_TEST_DISK";
const FREE: &str = "VARVE_META_TEST_FREE";
const SIZE: u64 = 24 * 1024 * 1024;

/// A small file system of its own, gone with the value.
struct Disk(TempDir);

impl Disk {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={SIZE}")).unwrap();
        match mount("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), options.as_c_str()) {
            Ok(()) => Some(Self(dir)),
            Err(error) => {
                varve_core::testsuite::skipped(format_args!(
                    "a small tmpfs cannot be mounted: {error}"
                ));
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// Leaves `free` bytes.
fn fill(disk: &Path, free: u64) {
    let there = rustix::fs::statvfs(disk).unwrap();
    let there = there.f_bavail * there.f_frsize;
    fs::write(disk.join("ballast"), vec![1; (there - free) as usize]).unwrap();
}

fn empty(disk: &Path) {
    fs::remove_file(disk.join("ballast")).unwrap();
}

fn put(db: &Db, key: &'static str, values: u32) -> Result<()> {
    db.write_blocking(move |tx| {
        (0..values)
            .try_for_each(|n| tx.put(format!("{key}/{n}").as_bytes(), vec![n as u8; MAX_VALUE]))
    })
}

#[test]
fn on_a_full_disk_only_deletions_are_written_until_there_is_space_again() {
    let Some(disk) = Disk::new() else { return };
    let (db, _) = Db::open(&disk.path().join("meta"), Options::default()).unwrap();
    put(&db, "before", 10).unwrap();
    fill(disk.path(), 2 * 1024 * 1024);
    let error = put(&db, "full", 1).unwrap_err();
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(error.message().contains("full/0"), "{error}");
    db.write_blocking(|tx| tx.delete(b"before/0")).unwrap();
    empty(disk.path());
    put(&db, "after", 1).unwrap();
    assert_eq!(db.count(b"").unwrap(), 10);
}

/// Fills the disk in the middle of a commit, in a process that does not survive it.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let disk = Path::new(&path);
    let (db, _) = Db::open(&disk.join("meta"), Options::default()).unwrap();
    put(&db, "before", 10).unwrap();
    let free = std::env::var(FREE).unwrap().parse().unwrap();
    fill(disk, free);
    let error = put(&db, "large", 600).unwrap_err();
    eprintln!("{}", error.chain());
    assert_eq!(error.kind(), Kind::ResourceExhausted, "{}", error.chain());
    empty(disk);
    let error = put(&db, "after", 1).unwrap_err();
    assert!(error.message().contains("refuses writes"), "{error}");
    // What is read now is right or an error; sled may refuse it.
    if let Ok(Some(value)) = db.get(b"before/3") {
        assert_eq!(value, vec![3; MAX_VALUE]);
    }
    db.close().unwrap();
}

#[test]
fn a_disk_that_fills_up_in_a_commit_fails_it_and_loses_nothing_that_was_answered() {
    // Where sled meets the end of the disk differs: in a page's own file, in the log, in a flush.
    for step in 0..6 {
        let Some(disk) = Disk::new() else { return };
        fills_up(&disk, 4 * 1024 * 1024 + 64 * 1024 + step * 150_000);
    }
}

fn fills_up(disk: &Disk, free: u64) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, disk.path())
        .env(FREE, free.to_string())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    let (db, recovery) = Db::open(&disk.path().join("meta"), Options::default()).unwrap();
    assert!(!recovery.must_rebuild(), "{recovery:?}");
    assert_eq!(db.count(b"before/").unwrap(), 10);
    assert_eq!(db.count(b"large/").unwrap(), 0, "none of a group that failed");
    put(&db, "after", 1).unwrap();
}
