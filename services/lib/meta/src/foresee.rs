//! A database that is about to be opened: its files are asked for at once, where opening reads one after the other.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{Advice, fadvise};

/// A longer file is read as far as it is needed, and not before.
const MOST: u64 = 1 << 20;

/// Has the kernel bring what opening the database in `dir` reads. Blocks for the disk; changes nothing, and tells of
/// nothing that fails: whoever opens it will.
pub fn foresee(dir: &Path) {
    for dir in [dir, &dir.join("sled")] {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.for_each(|entry| bring(&entry.path()));
    }
    // A directory that is empty mostly, and looked into.
    let _ = fs::read_dir(dir.join("sled/blobs")).map(Iterator::count);
}

fn bring(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    if file.metadata().is_ok_and(|facts| facts.is_file() && facts.len() <= MOST) {
        // To the end of the file.
        let _ = fadvise(&file, 0, None, Advice::WillNeed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Db, Options};

    #[test]
    fn a_database_that_is_foreseen_is_as_it_was_and_one_that_is_not_there_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let names = |dir: &Path| {
            let mut names: Vec<_> =
                fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        foresee(&dir.path().join("none"));
        assert!(names(dir.path()).is_empty());
        drop(Db::open(dir.path(), Options::default()).unwrap());
        let before = names(dir.path());
        foresee(dir.path());
        assert_eq!(names(dir.path()), before);
        Db::open(dir.path(), Options::default()).unwrap();
    }
}
