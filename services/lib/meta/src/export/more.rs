//! What has changed since the export was written, behind it in a file of its own, so that closing
//! costs what was changed and not what is there.
//!
//! ```text
//! from SEQUENCE to SEQUENCE
//! +KEY<tab>VALUE           or -KEY for one that is gone, as in the export
//! end RECORDS CRC32        of this section before this line
//! ```
//!
//! The first section goes on from the export, each other from the one before it; what does not, or
//! is not whole, is as if it were not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use varve_core::Result;

use super::{escape, line, record, unescape};
use crate::db::Core;
use crate::fault::Fault;
use crate::state::State;

/// Above this many bytes the export itself is written anew: what is here is held in memory to be read.
const LIMIT: u64 = 512 * 1024;

pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("export.more")
}

/// Adds a section with what is now under `keys`, from what was exported last to `state`; `false`
/// where there is no room for it.
pub(crate) fn append(
    core: &Core,
    exported: u64,
    state: &State,
    keys: &BTreeSet<Vec<u8>>,
) -> Result<bool> {
    let section = section(core, exported, state.seq, keys)?;
    let path = path(core.dir());
    let there = fs::metadata(&path).map_or(0, |facts| facts.len());
    if there + section.len() as u64 > LIMIT {
        return Ok(false);
    }
    let written = OpenOptions::new().append(true).create(true).open(&path).and_then(|mut file| {
        file.write_all(&section)?;
        file.sync_all()
    });
    written
        .map_err(|error| Fault::io(&path, error).about(format!("the export of {}", core.name())))?;
    Ok(true)
}

fn section(core: &Core, from: u64, to: u64, keys: &BTreeSet<Vec<u8>>) -> Result<Vec<u8>> {
    let mut text = format!("from {from} to {to}\n").into_bytes();
    for key in keys {
        match core.get(key)? {
            Some(value) => {
                text.push(b'+');
                line(key, &value, &mut text);
            }
            None => {
                text.push(b'-');
                escape(key, &mut text);
                text.push(b'\n');
            }
        }
    }
    let sum = crc32fast::hash(&text);
    text.extend(format!("end {} {sum:08x}\n", keys.len()).into_bytes());
    Ok(text)
}

/// What the sections say together, from the sequence number `seq` on.
pub(crate) struct More {
    pub seq: u64,
    pub changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// Reads what goes on from an export of `seq`.
pub(crate) fn read(dir: &Path, seq: u64) -> More {
    let mut more = More { seq, changes: BTreeMap::new() };
    let bytes = match fs::metadata(path(dir)) {
        Ok(facts) if facts.len() <= LIMIT => fs::read(path(dir)).unwrap_or_default(),
        _ => Vec::new(),
    };
    let mut rest = bytes.as_slice();
    while let Some(after) = more.take(rest) {
        rest = after;
    }
    more
}

impl More {
    /// Takes the section that `text` begins with; answers what follows it.
    pub(crate) fn take<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let (header, mut rest) = split(text)?;
        let (from, to) =
            std::str::from_utf8(header).ok()?.strip_prefix("from ")?.split_once(" to ")?;
        if from.parse() != Ok(self.seq) {
            return None;
        }
        let mut changes = Vec::new();
        loop {
            let (line, after) = split(rest)?;
            if line.starts_with(b"end ") {
                let sum = crc32fast::hash(&text[..text.len() - rest.len()]);
                if line != format!("end {} {sum:08x}", changes.len()).as_bytes() {
                    return None;
                }
                self.seq = to.parse().ok()?;
                self.changes.extend(changes);
                return Some(after);
            }
            changes.push(change(line)?);
            rest = after;
        }
    }
}

fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|&byte| byte == b'\n')?;
    Some((&text[..end], &text[end + 1..]))
}

fn change(line: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    match line.split_first()? {
        (b'+', rest) => record(rest).map(|(key, value)| (key, Some(value))),
        (b'-', rest) => unescape(rest).map(|key| (key, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::path as export_path;
    use super::*;
    use crate::open::sled_dir;
    use crate::{Db, Options, Recovery};

    fn open(dir: &Path) -> (Db, Recovery) {
        Db::open(dir, Options::default()).unwrap()
    }

    fn put(dir: &Path, key: &'static [u8], value: Option<&'static [u8]>) {
        let (db, _) = open(dir);
        db.write_blocking(move |tx| match value {
            Some(value) => tx.put(key, value.to_vec()),
            None => tx.delete(key),
        })
        .unwrap();
        db.close().unwrap();
    }

    /// A base, and three sections behind it.
    fn filled() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), b"a", Some(b"1"));
        let base = fs::read(export_path(dir.path())).unwrap();
        put(dir.path(), b"b", Some(b"2\n"));
        put(dir.path(), b"a", None);
        put(dir.path(), b"b", Some(b"3"));
        assert_eq!(fs::read(export_path(dir.path())).unwrap(), base, "it was written once");
        dir
    }

    #[test]
    fn a_lost_database_is_restored_from_the_export_and_what_is_behind_it() {
        let dir = filled();
        fs::remove_dir_all(sled_dir(dir.path())).unwrap();
        let (db, recovery) = open(dir.path());
        assert_eq!(recovery, Recovery::Restored { from_export: true, records: 1 });
        assert_eq!(db.scan(b"").unwrap(), [(b"b".to_vec(), b"3".to_vec())]);
    }

    #[test]
    fn what_is_torn_or_altered_is_as_if_it_were_not_there() {
        let dir = filled();
        let bytes = fs::read(path(dir.path())).unwrap();
        let whole = read(dir.path(), super::super::base(dir.path()).unwrap());
        for at in 0..bytes.len() {
            fs::write(path(dir.path()), &bytes[..at]).unwrap();
            let cut = read(dir.path(), super::super::base(dir.path()).unwrap());
            assert!(cut.seq < whole.seq, "cut to {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            fs::write(path(dir.path()), &damaged).unwrap();
            let damaged = read(dir.path(), super::super::base(dir.path()).unwrap());
            assert!(damaged.seq < whole.seq, "byte {at}");
        }
    }

    #[test]
    fn the_export_is_written_anew_when_there_is_too_much_behind_it() {
        let dir = filled();
        let base = super::super::base(dir.path()).unwrap();
        for n in 0..40u8 {
            let (db, _) = open(dir.path());
            db.write_blocking(move |tx| tx.put(&[b'k', n], vec![b'v'; 16 * 1024])).unwrap();
            db.close().unwrap();
            assert!(fs::metadata(path(dir.path())).map_or(0, |facts| facts.len()) <= LIMIT);
        }
        assert!(super::super::base(dir.path()).unwrap() > base);
        fs::remove_dir_all(sled_dir(dir.path())).unwrap();
        let (db, _) = open(dir.path());
        assert_eq!(db.count(b"k").unwrap(), 40);
    }
}
