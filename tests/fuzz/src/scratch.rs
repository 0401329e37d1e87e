//! Directories that are made and removed thousands of times: in memory, where there is such a place.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Once;

use tempfile::TempDir;

const PREFIX: &str = "varve-fuzz-";

/// A new directory. What processes left that ended in the middle, as fuzzers do, is removed first.
pub fn directory() -> TempDir {
    static SWEPT: Once = Once::new();
    let memory = Path::new("/dev/shm");
    let home = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    SWEPT.call_once(|| sweep(&home));
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(home).unwrap()
}

fn sweep(home: &Path) {
    for entry in fs::read_dir(home).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap_or_default();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let gone = |id: &str| !Path::new("/proc").join(id).exists();
        if process.is_some_and(gone) {
            // Another may be about it, too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Removes a tree, whatever the modes of its directories are.
pub fn remove(tree: &Path) {
    if fs::remove_dir_all(tree).is_err() {
        open(tree);
        fs::remove_dir_all(tree).unwrap();
    }
}

fn open(tree: &Path) {
    fs::set_permissions(tree, Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(tree).unwrap().map(Result::unwrap) {
        // The link's own: a directory that is a link is none.
        if entry.file_type().unwrap().is_dir() {
            open(&entry.path());
        }
    }
}
