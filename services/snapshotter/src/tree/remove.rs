//! Removing a tree, whatever is in it.
//!
//! Directories that are not empty are lifted to the top one by one, so that depth costs neither
//! stack nor descriptors nor a path that is too long. A removal that was cut short is begun again
//! on what it left.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode};
use rustix::io::Errno;
use varve_core::{Error, Result};

use super::{DIR_FLAGS, names, privileged};

/// Removes `dir` and all below it; nothing happens where it is not there.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    match remove_at(CWD, dir) {
        Ok(()) => Ok(()),
        Err(errno) => Err(Error::io(format!("removing {}", dir.display()), errno.into())),
    }
}

/// The same below an open directory.
pub(crate) fn remove_at(at: impl AsFd, path: &Path) -> Result<(), Errno> {
    match rustix::fs::unlinkat(&at, path, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Err(Errno::NOENT) => return Ok(()),
        done => return done,
    }
    let mut lift = Lift { top: open(&at, path)?, next: 0 };
    loop {
        let entries = names(&lift.top)?;
        if entries.is_empty() {
            return rustix::fs::unlinkat(&at, path, AtFlags::REMOVEDIR);
        }
        for name in entries {
            if !unlink(&lift.top, &name)? {
                lift.empty(&name)?;
            }
        }
    }
}

struct Lift {
    top: OwnedFd,
    /// For names of what is lifted.
    next: u64,
}

impl Lift {
    /// Removes the directory `name` of the top, lifting what in it is not empty.
    fn empty(&mut self, name: &Path) -> Result<(), Errno> {
        let dir = open(&self.top, name)?;
        for entry in names(&dir)? {
            if !unlink(&dir, &entry)? {
                self.lift(&dir, &entry)?;
            }
        }
        drop(dir);
        rustix::fs::unlinkat(&self.top, name, AtFlags::REMOVEDIR)
    }

    fn lift(&mut self, dir: &OwnedFd, name: &Path) -> Result<(), Errno> {
        loop {
            let to = format!(".{}", self.next);
            self.next += 1;
            match rustix::fs::renameat(dir, name, &self.top, &to) {
                // The name is taken.
                Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                // To move a directory without root, it must be writable itself.
                Err(Errno::ACCESS) if !privileged() => drop(open(dir, name)?),
                done => return done,
            }
        }
    }
}

/// Removes a file or an empty directory; `false` for one that is not empty.
fn unlink(dir: &OwnedFd, name: &Path) -> Result<bool, Errno> {
    let removed = match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR),
        done => done,
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Opens a directory that is to be emptied, making it writable first where that is needed.
fn open(at: impl AsFd, name: &Path) -> Result<OwnedFd, Errno> {
    if !privileged() {
        // Known to be a directory, in a tree that only we have.
        rustix::fs::chmodat(&at, name, Mode::RWXU, AtFlags::empty())?;
    }
    rustix::fs::openat(&at, name, DIR_FLAGS, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_tree_deeper_than_any_path_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let top = temp.path().join("t");
        fs::create_dir(&top).unwrap();
        let mut dir = rustix::fs::open(&top, DIR_FLAGS, Mode::empty()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&dir, "deep-enough", Mode::RWXU).unwrap();
            rustix::fs::mkdirat(&dir, ".0", Mode::RWXU).unwrap();
            dir = rustix::fs::openat(&dir, "deep-enough", DIR_FLAGS, Mode::empty()).unwrap();
        }
        remove(&top).unwrap();
        assert!(!top.exists());
        remove(&top).unwrap();
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let (top, keep) = (temp.path().join("t"), temp.path().join("keep"));
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir(&keep).unwrap();
        fs::write(keep.join("file"), b"x").unwrap();
        std::os::unix::fs::symlink(&keep, top.join("a/b/link")).unwrap();
        fs::set_permissions(top.join("a/b"), PermissionsExt::from_mode(0o000)).unwrap();
        remove(&top).unwrap();
        assert!(!top.exists() && keep.join("file").exists());
    }
}
