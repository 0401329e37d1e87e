//! The mark: the sequence number of the last commit, in a small file of its own.
//!
//! It is written after a commit's sync and never synced itself, so it is never ahead of the
//! database and may be behind it. A database that opens behind its mark has lost its tail to
//! something other than a power cut; sled cannot tell that from a torn write.

use std::fs::{File, OpenOptions};
use std::path::Path;

use crate::fault::Fault;

/// Opens the mark of the database in `dir` for writing.
pub(crate) fn open(dir: &Path) -> Result<File, Fault> {
    let path = dir.join("mark");
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| Fault::io(&path, error))
}

/// The mark of the database in `dir`; a missing or damaged one bounds nothing.
pub(crate) fn read(dir: &Path) -> u64 {
    let bytes = std::fs::read(dir.join("mark")).unwrap_or_default();
    let Ok(bytes) = <[u8; 12]>::try_from(bytes) else { return 0 };
    let (seq, sum) = bytes.split_at(8);
    if crc32fast::hash(seq).to_le_bytes() != sum {
        return 0;
    }
    u64::from_le_bytes(seq.try_into().expect("eight bytes of twelve"))
}

/// The bytes of a mark.
pub(crate) fn encode(seq: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    let (head, sum) = bytes.split_at_mut(8);
    head.copy_from_slice(&seq.to_le_bytes());
    sum.copy_from_slice(&crc32fast::hash(&seq.to_le_bytes()).to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_written_and_a_damaged_one_bounds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), 0);
        std::fs::write(dir.path().join("mark"), encode(77)).unwrap();
        assert_eq!(read(dir.path()), 77);
        let mut damaged = encode(77);
        damaged[1] ^= 1;
        std::fs::write(dir.path().join("mark"), damaged).unwrap();
        assert_eq!(read(dir.path()), 0);
    }
}
