//! The undo file: what the records of the commit in progress were before it.
//!
//! Sled's batches are atomic in a crash, but not in a failure: when the disk is full in the middle
//! of one, the part that was written is there after the next open. So the old values are kept in a
//! file of their own before each batch. It is not synced, because a power cut is no such failure.
//! It is used only where the database does not verify, and would with the old values.
//!
//! `[length u32][crc32 u32]`, then the old state, then for each key its length, the key, and the
//! old value's length and bytes, or `0xffffffff` where there was none; all little endian.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::engine::Engine;
use crate::fault::Fault;
use crate::record;
use crate::state::{STATE_KEY, State};
use crate::tx::Pending;

const HEADER: usize = 8;
const STATE: usize = 24;
const ABSENT: u32 = u32::MAX;

/// Above this many bytes the file is cut down again after its commit.
const KEEP: usize = 1024 * 1024;

/// The file, open for writing.
pub(crate) struct UndoFile(File);

impl UndoFile {
    pub fn open(dir: &Path) -> Result<Self, Fault> {
        let path = dir.join("undo");
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(&path);
        Ok(Self(file.map_err(|error| Fault::io(&path, error))?))
    }

    /// Keeps `state` and the `old` values until the next call.
    pub fn keep(&self, state: &State, old: &Pending) -> std::io::Result<()> {
        let mut bytes = vec![0; HEADER];
        bytes.extend(state.encode());
        for (key, value) in old {
            put(&mut bytes, key);
            match value {
                Some(value) => put(&mut bytes, value),
                None => bytes.extend(ABSENT.to_le_bytes()),
            }
        }
        let body = &bytes[HEADER..];
        let (length, sum) = (body.len() as u32, crc32fast::hash(body));
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..HEADER].copy_from_slice(&sum.to_le_bytes());
        self.0.write_all_at(&bytes, 0)?;
        if bytes.len() > KEEP { self.0.set_len(bytes.len() as u64) } else { Ok(()) }
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u32).to_le_bytes());
    bytes.extend(part);
}

/// Takes a commit back that failed half-way, if that is what is wrong with `engine`; whether it was.
pub(crate) fn take_back(dir: &Path, engine: &Engine) -> Result<Option<State>, Fault> {
    let bytes = std::fs::read(dir.join("undo")).unwrap_or_default();
    let Some((state, old)) = parse(&bytes) else { return Ok(None) };
    if with_old(engine, &state, &old)? != state {
        return Ok(None);
    }
    let mut batch = sled::Batch::default();
    for (key, value) in &old {
        match value {
            Some(value) => batch.insert(key.as_slice(), record::seal(key, value)),
            None => batch.remove(key.as_slice()),
        }
    }
    batch.insert(STATE_KEY, record::seal(STATE_KEY, &state.encode()));
    engine.apply(batch)?;
    engine.sync()?;
    Ok(Some(state))
}

/// What a scan would find, were the old values there again.
fn with_old(engine: &Engine, state: &State, old: &Pending) -> Result<State, Fault> {
    let mut found = State { seq: state.seq, ..State::default() };
    engine.walk(b"", false, &mut |key, value| {
        if key != STATE_KEY && !old.contains_key(key) {
            found.add(key, value);
        }
        true
    })?;
    for (key, value) in old {
        if let Some(value) = value {
            found.add(key, value);
        }
    }
    Ok(found)
}

fn parse(bytes: &[u8]) -> Option<(State, Pending)> {
    let (length, rest) = word(bytes)?;
    let (sum, rest) = word(rest)?;
    let body = rest.get(..length as usize)?;
    if crc32fast::hash(body) != sum {
        return None;
    }
    let (state, mut rest) = body.split_at_checked(STATE)?;
    let mut old = BTreeMap::new();
    while !rest.is_empty() {
        let (key, after) = part(rest)?;
        let (value, after) = match word(after)? {
            (ABSENT, after) => (None, after),
            _ => part(after).map(|(value, after)| (Some(value.to_vec()), after))?,
        };
        old.insert(key.to_vec(), value);
        rest = after;
    }
    Some((State::decode(state).ok()?, old))
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*word), rest))
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = word(bytes)?;
    rest.split_at_checked(length as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open::sled_dir;
    use crate::{Db, Options, Recovery};

    fn kept(dir: &Path) -> (State, Pending) {
        let old: Pending = [
            (b"a".to_vec(), Some(b"1".to_vec())),
            (b"b".to_vec(), None),
            (b"c".to_vec(), Some(vec![])),
        ]
        .into();
        let state = State { seq: 4, records: 2, sum: 99 };
        UndoFile::open(dir).unwrap().keep(&state, &old).unwrap();
        (state, old)
    }

    #[test]
    fn what_was_kept_is_read_again_also_over_a_longer_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = UndoFile::open(dir.path()).unwrap();
        let long = [(vec![7; 900], Some(vec![8; 9000]))].into();
        file.keep(&State::default(), &long).unwrap();
        let (state, old) = kept(dir.path());
        let bytes = std::fs::read(dir.path().join("undo")).unwrap();
        assert_eq!(parse(&bytes), Some((state, old)));
    }

    #[test]
    fn a_damaged_or_short_one_undoes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        kept(dir.path());
        let bytes = std::fs::read(dir.path().join("undo")).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(parse(&damaged), None, "byte {at}");
            assert_eq!(parse(&bytes[..at]), None, "cut to {at}");
        }
    }

    #[test]
    fn half_a_commit_is_taken_back_at_the_next_open() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Db::open(dir.path(), Options::default()).unwrap();
        let (db, _) = open();
        for (key, value) in [("a", "1"), ("c", "3")] {
            db.write_blocking(|tx| tx.put(key.as_bytes(), value.into())).unwrap();
        }
        db.close().unwrap();
        let engine = Engine::open(&sled_dir(dir.path()), 1 << 20).unwrap();
        let state = State::decode(&engine.get(STATE_KEY).unwrap().unwrap()).unwrap();
        let old = [(b"a".to_vec(), Some(b"1".to_vec())), (b"b".to_vec(), None)].into();
        UndoFile::open(dir.path()).unwrap().keep(&state, &old).unwrap();
        let mut half = sled::Batch::default();
        half.insert(b"b", record::seal(b"b", b"2"));
        engine.apply(half).unwrap();
        engine.sync().unwrap();
        drop(engine);
        let (db, recovery) = open();
        assert_eq!(recovery, Recovery::Clean);
        assert_eq!(db.scan(b"").unwrap(), [(b"a".into(), b"1".into()), (b"c".into(), b"3".into())]);
    }
}
