//! How the files of the database were when it was closed in good order, in a file of its own.
//!
//! Where they still are exactly that at the next open, in the same boot, the sum over all records
//! need not be taken again: whoever altered a byte through the file system left another time behind.
//! What the disk itself alters is found by each record's own checksum when it is read; a database in
//! which one was found is not sealed, and so is verified at its next open.
//!
//! ```text
//! varve-meta-closed 1 BOOT SEQUENCE RECORDS SUM
//! NAME SIZE INODE MODIFIED CHANGED       of each of sled's files; times in nanoseconds
//! ```

use std::fmt::Write;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::engine::names;
use crate::fault::Fault;
use crate::open::sled_dir;
use crate::state::State;

const MAGIC: &str = "varve-meta-closed 1";

/// Below this many records, verifying them costs less than a seal.
const WORTH: u64 = 2_000;

/// File systems tell time by the kernel's coarse clock (clock_gettime(2), `CLOCK_REALTIME_COARSE`), whose ticks are up to
/// ten milliseconds: a change in the tick of the last known one cannot be seen. Longer than one is not waited for, as that
/// clock may have been set back.
const TICK: Duration = Duration::from_millis(12);
/// Between two looks at that clock.
const LOOK: Duration = Duration::from_micros(500);

fn path(dir: &Path) -> PathBuf {
    dir.join("closed")
}

/// Seals a database that was closed with `state`. It is only there to save time, so that nothing
/// comes of a failure but a slower open.
pub(crate) fn seal(dir: &Path, state: &State) {
    if state.records < WORTH {
        return;
    }
    let _ = sealed(dir, state)
        .and_then(|text| fs::write(path(dir), text).map_err(|error| Fault::io(&path(dir), error)));
}

/// The state that the database was closed with, where nobody has touched its files since. The seal
/// is broken by looking: what is opened is sealed again when it is closed.
pub(crate) fn take(dir: &Path) -> Option<State> {
    let text = fs::read_to_string(path(dir)).ok()?;
    fs::remove_file(path(dir)).ok()?;
    let (header, files) = text.split_once('\n')?;
    let mut words = header.strip_prefix(MAGIC)?.split_whitespace();
    let boot = words.next()?;
    let mut number = || words.next()?.parse().ok();
    let state = State { seq: number()?, records: number()?, sum: number()? };
    let now = describe(dir).ok()?.text;
    (boot == varve_core::boot_id().ok()? && files == now).then_some(state)
}

fn sealed(dir: &Path, state: &State) -> Result<String, Fault> {
    let found = describe(dir)?;
    let begun = Instant::now();
    while coarse_now() <= found.newest && begun.elapsed() < TICK {
        thread::sleep(LOOK);
    }
    let boot = varve_core::boot_id().map_err(|error| Fault::Damaged(error.chain()))?;
    let State { seq, records, sum } = state;
    Ok(format!("{MAGIC} {boot} {seq} {records} {sum}\n{}", found.text))
}

/// All of sled's files.
#[derive(Default)]
struct Files {
    text: String,
    /// When one of them was last changed, since the epoch.
    newest: Duration,
}

impl Files {
    fn add(&mut self, name: &str, facts: &Metadata) {
        let time = |seconds: i64, nanos: i64| {
            Duration::from_secs(seconds.unsigned_abs()) + Duration::from_nanos(nanos.unsigned_abs())
        };
        let changed = time(facts.ctime(), facts.ctime_nsec());
        let modified = time(facts.mtime(), facts.mtime_nsec()).as_nanos();
        let (size, inode) = (facts.len(), facts.ino());
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{name} {size} {inode} {modified} {}", changed.as_nanos());
        self.newest = self.newest.max(changed);
    }
}

/// What a file that is changed now would tell, since the epoch.
fn coarse_now() -> Duration {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    Duration::try_from(now).unwrap_or_default()
}

fn describe(dir: &Path) -> Result<Files, Fault> {
    let sled = sled_dir(dir);
    let mut files = Files::default();
    for below in [sled.clone(), sled.join("blobs")] {
        for name in names(&below)? {
            let file = below.join(&name);
            let facts = fs::symlink_metadata(&file).map_err(|error| Fault::io(&file, error))?;
            files.add(&name.to_string_lossy(), &facts);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Db, Options};

    fn filled(dir: &Path) {
        let (db, _) = Db::open(dir, Options::default()).unwrap();
        db.write_blocking(|tx| {
            (0..WORTH + 1).try_for_each(|n| tx.put(format!("key{n}").as_bytes(), b"value".to_vec()))
        })
        .unwrap();
        db.close().unwrap();
    }

    #[test]
    fn what_was_closed_in_good_order_is_known_by_its_files_and_only_once() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        let state = take(dir.path()).unwrap();
        assert_eq!(state.records, WORTH + 1);
        assert_eq!(take(dir.path()), None);
    }

    #[test]
    fn a_byte_that_was_altered_breaks_the_seal() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path());
        let db = sled_dir(dir.path()).join("db");
        let mut bytes = fs::read(&db).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&db, bytes).unwrap();
        assert_eq!(take(dir.path()), None);
    }

    #[test]
    fn a_seal_of_another_boot_or_a_damaged_one_says_nothing() {
        for (from, to) in [(" ", " another-"), ("db ", "db 1"), ("closed 1", "closed 2")] {
            let dir = tempfile::tempdir().unwrap();
            filled(dir.path());
            let text = fs::read_to_string(path(dir.path())).unwrap();
            let at = text.rfind(from).unwrap();
            let text = format!("{}{to}{}", &text[..at], &text[at + from.len()..]);
            fs::write(path(dir.path()), text).unwrap();
            assert_eq!(take(dir.path()), None, "{from}");
        }
    }

    #[test]
    fn few_records_are_not_worth_it_and_an_open_database_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let (db, _) = Db::open(dir.path(), Options::default()).unwrap();
        db.write_blocking(|tx| tx.put(b"key", b"value".to_vec())).unwrap();
        db.close().unwrap();
        assert!(!path(dir.path()).exists());
        filled(dir.path());
        assert!(path(dir.path()).exists());
        let (_db, _) = Db::open(dir.path(), Options::default()).unwrap();
        assert!(!path(dir.path()).exists());
    }
}
