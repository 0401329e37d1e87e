//! Damage on the disk: every open ends well or in an error, and no wrong value is read as good.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in tests, and misses their helpers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use varve_core::Kind;
use varve_meta::{Db, Options, Recovery};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn open(dir: &Path) -> (Db, Recovery) {
    Db::open(dir, Options::default()).unwrap()
}

fn fill(db: &Db, range: std::ops::Range<u32>) {
    for first in range.clone().step_by(50) {
        let end = range.end.min(first + 50);
        db.write_blocking(move |tx| {
            (first..end).try_for_each(|number| {
                let size = if number % 97 == 0 { 5000 } else { 60 };
                tx.put(format!("k/{number:05}").as_bytes(), number.to_be_bytes().repeat(size / 4))
            })
        })
        .unwrap();
    }
}

fn all(db: &Db) -> Records {
    db.scan(b"").unwrap().into_iter().collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A directory to damage, what it holds, and what its export holds.
struct Template {
    dir: TempDir,
    records: Records,
    exported: Records,
}

/// As a kill leaves it: commits in the log that neither a snapshot nor the export has.
fn crashed() -> Template {
    let live = tempfile::tempdir().unwrap();
    let (db, _) = open(live.path());
    fill(&db, 0..600);
    let exported = all(&db);
    db.close().unwrap();
    let (db, _) = open(live.path());
    fill(&db, 500..900);
    db.write_blocking(|tx| tx.delete(b"k/00003")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    copy(live.path(), dir.path());
    Template { records: all(&db), exported, dir }
}

/// As a close leaves it.
fn closed() -> Template {
    let template = crashed();
    let (db, _) = open(template.dir.path());
    db.close().unwrap();
    Template { exported: template.records.clone(), ..template }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// How a damaged directory came through.
#[derive(Debug, Default)]
struct Tally {
    unharmed: usize,
    healed: usize,
    behind: usize,
    restored: usize,
    emptied: usize,
    refused: usize,
}

impl Template {
    /// Damages a copy, opens it, and checks all that it shows.
    fn suffer(&self, tally: &mut Tally, what: &str, damage: impl FnOnce(&Path)) {
        let dir = tempfile::tempdir().unwrap();
        copy(self.dir.path(), dir.path());
        damage(dir.path());
        let (db, recovery) = match Db::open(dir.path(), Options::default()) {
            Ok(opened) => opened,
            Err(error) => {
                eprintln!("{what}: {}", error.chain());
                tally.refused += 1;
                return;
            }
        };
        match &recovery {
            Recovery::Clean => tally.unharmed += 1,
            Recovery::SnapshotsQuarantined => tally.healed += 1,
            Recovery::Behind { .. } => tally.behind += 1,
            Recovery::Restored { from_export: true, .. } => tally.restored += 1,
            Recovery::Restored { .. } => tally.emptied += 1,
            other => panic!("{what}: {other:?}"),
        }
        self.check(&db, &recovery, what);
        db.rebuilt().unwrap();
        db.close().unwrap();
        let (_db, again) = open(dir.path());
        assert_eq!(again, Recovery::Clean, "{what}: after {recovery:?}");
    }

    fn check(&self, db: &Db, recovery: &Recovery, what: &str) {
        match recovery {
            Recovery::Restored { from_export: true, .. } => {
                assert!(all(db) == self.exported, "{what}: not what was exported");
            }
            Recovery::Restored { .. } => assert!(all(db).is_empty(), "{what}"),
            // Older, and whole: a commit of this template adds fifty records or changes them.
            Recovery::Behind { .. } => {
                for (key, value) in all(db) {
                    assert!(key == b"k/00003" || self.records[&key] == value, "{what}");
                }
            }
            _ => assert!(all(db) == self.records, "{what}: {recovery:?} and yet not the same"),
        }
    }
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

/// Flips one bit at a time, spread over each file; VARVE_META_FLIPS says how many per file.
fn sweep(template: &Template) -> Tally {
    let per_file = std::env::var("VARVE_META_FLIPS").map_or(40, |flips| flips.parse().unwrap());
    let mut tally = Tally::default();
    for path in files(template.dir.path()) {
        let bits = fs::metadata(&path).unwrap().len() as usize * 8;
        let name = path.strip_prefix(template.dir.path()).unwrap();
        for step in 0..per_file.min(bits) {
            // A stride that shares no factor with eight, so that every bit of a byte gets its turn.
            let bit = (bits * step / per_file.min(bits) + step * 3) % bits;
            let what = format!("bit {bit} of {}", name.display());
            template.suffer(&mut tally, &what, |dir| flip(&dir.join(name), bit));
        }
    }
    eprintln!("{tally:?}");
    tally
}

#[test]
fn a_flipped_bit_after_a_crash_never_yields_a_wrong_value() {
    let tally = sweep(&crashed());
    assert!(tally.restored + tally.behind + tally.healed > 5, "nothing was hit: {tally:?}");
    assert_eq!(tally.refused, 0);
}

#[test]
fn a_flipped_bit_after_a_close_never_yields_a_wrong_value() {
    let tally = sweep(&closed());
    assert!(tally.restored + tally.healed > 5, "nothing was hit: {tally:?}");
    assert_eq!((tally.refused, tally.emptied), (0, 0));
}

#[test]
fn a_truncated_file_never_yields_a_wrong_value() {
    let template = crashed();
    let mut tally = Tally::default();
    for path in files(template.dir.path()) {
        let len = fs::metadata(&path).unwrap().len();
        let name = path.strip_prefix(template.dir.path()).unwrap().to_owned();
        for part in 0..8 {
            let len = len * part / 8;
            template.suffer(&mut tally, &format!("{} cut to {len}", name.display()), |dir| {
                fs::OpenOptions::new()
                    .write(true)
                    .open(dir.join(&name))
                    .unwrap()
                    .set_len(len)
                    .unwrap();
            });
        }
    }
    eprintln!("{tally:?}");
    assert_eq!(tally.refused, 0);
}

#[test]
fn a_missing_file_never_yields_a_wrong_value() {
    let template = crashed();
    let mut tally = Tally::default();
    for path in files(template.dir.path()) {
        let name = path.strip_prefix(template.dir.path()).unwrap().to_owned();
        let what = format!("{} gone", name.display());
        template.suffer(&mut tally, &what, |dir| fs::remove_file(dir.join(&name)).unwrap());
    }
    assert_eq!(tally.refused, 0, "{tally:?}");
}

#[test]
fn a_stale_snapshot_in_the_making_is_removed() {
    let template = crashed();
    let stale = template.dir.path().join("sled/snap.00FF.generating");
    fs::write(&stale, b"torn").unwrap();
    let (db, recovery) = open(template.dir.path());
    assert_eq!(recovery, Recovery::Clean);
    assert!(!stale.exists());
    assert_eq!(all(&db), template.records);
}

#[test]
fn a_damaged_snapshot_is_put_aside_and_nothing_is_lost() {
    let template = closed();
    let snapshot = files(&template.dir.path().join("sled"))
        .into_iter()
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."))
        .expect("sled writes a snapshot at open");
    fs::write(&snapshot, b"").unwrap();
    let (db, recovery) = open(template.dir.path());
    assert_eq!(recovery, Recovery::SnapshotsQuarantined);
    assert_eq!(all(&db), template.records);
    assert!(!files(&template.dir.path().join("quarantine")).is_empty());
}

#[test]
fn a_lost_database_is_restored_from_its_export_and_asks_for_a_rebuild_until_told() {
    let template = closed();
    fs::remove_dir_all(template.dir.path().join("sled")).unwrap();
    let (db, recovery) = open(template.dir.path());
    let records = template.exported.len() as u64;
    assert_eq!(recovery, Recovery::Restored { from_export: true, records });
    assert_eq!(all(&db), template.exported);
    drop(db);
    let (db, recovery) = open(template.dir.path());
    assert_eq!(recovery, Recovery::Unfinished);
    db.rebuilt().unwrap();
    drop(db);
    assert_eq!(open(template.dir.path()).1, Recovery::Clean);
}

#[test]
fn a_database_and_an_export_both_damaged_leave_an_empty_one_and_their_remains() {
    let template = closed();
    let db = template.dir.path().join("sled/db");
    fs::write(&db, vec![0xa5; fs::metadata(&db).unwrap().len() as usize]).unwrap();
    flip(&template.dir.path().join("export"), 4321);
    let (db, recovery) = open(template.dir.path());
    assert_eq!(recovery, Recovery::Restored { from_export: false, records: 0 });
    assert!(all(&db).is_empty());
    let remains = files(&template.dir.path().join("quarantine"));
    for name in ["db", "export"] {
        assert!(remains.iter().any(|path| path.ends_with(name)), "{name} in {remains:?}");
    }
}

#[test]
fn a_database_older_than_its_export_is_replaced_by_it() {
    let old = closed();
    let dir = tempfile::tempdir().unwrap();
    copy(old.dir.path(), dir.path());
    let (db, _) = open(dir.path());
    fill(&db, 2000..2100);
    let newer = all(&db);
    db.close().unwrap();
    for name in ["export", "export.more"] {
        fs::copy(dir.path().join(name), old.dir.path().join(name)).unwrap();
    }
    let (db, recovery) = open(old.dir.path());
    assert!(matches!(recovery, Recovery::Restored { from_export: true, .. }), "{recovery:?}");
    assert_eq!(all(&db), newer);
}

#[test]
fn a_crash_in_the_middle_of_a_restore_is_followed_by_another_restore() {
    let template = closed();
    let dir = template.dir.path();
    // The old one is in the quarantine already, the new one not yet in its place.
    fs::create_dir_all(dir.join("quarantine/1")).unwrap();
    fs::rename(dir.join("sled"), dir.join("quarantine/1/sled")).unwrap();
    fs::create_dir_all(dir.join("sled.new/blobs")).unwrap();
    fs::write(dir.join("export.new"), b"half").unwrap();
    let (db, recovery) = open(dir);
    assert!(matches!(recovery, Recovery::Restored { from_export: true, .. }), "{recovery:?}");
    assert_eq!(all(&db), template.exported);
    assert!(!dir.join("sled.new").exists() && !dir.join("export.new").exists());
}

#[test]
fn a_directory_without_permission_is_an_error_and_not_damage() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Db::open(&file.join("meta"), Options::default()).err().unwrap();
    assert_ne!(error.kind(), Kind::DataLoss, "{}", error.chain());
}
