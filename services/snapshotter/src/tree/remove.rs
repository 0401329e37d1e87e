//! Removing a tree, whatever is in it.
//!
//! Directories that are not empty are lifted to the top one by one, so that depth costs neither
//! stack nor descriptors nor a path that is too long. A removal that was cut short is begun again
//! on what it left.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use varve_core::{Error, Result};

use super::read::read;
use super::{DIR_FLAGS, HANDLE, privileged, set_mode};

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
    let top = open(&at, path)?;
    let mut lift = Lift { top: &top, next: 0 };
    emptied(&top, |name| lift.empty(name))?;
    rustix::fs::unlinkat(&at, path, AtFlags::REMOVEDIR)
}

/// Removes what is in `dir` as it is read, calling `full` with directories that are not empty, until nothing is left.
fn emptied(dir: &OwnedFd, mut full: impl FnMut(&Path) -> Result<(), Errno>) -> Result<(), Errno> {
    let mut found = true;
    while found {
        found = false;
        read(dir, None, |name| {
            found = true;
            if !unlink(dir, name)? {
                full(name)?;
            }
            Ok(true)
        })?;
    }
    Ok(())
}

struct Lift<'a> {
    top: &'a OwnedFd,
    /// For names of what is lifted.
    next: u64,
}

impl Lift<'_> {
    /// Removes the directory `name` of the top, lifting what in it is not empty.
    fn empty(&mut self, name: &Path) -> Result<(), Errno> {
        let dir = open(self.top, name)?;
        emptied(&dir, |entry| self.lift(&dir, entry))?;
        drop(dir);
        rustix::fs::unlinkat(self.top, name, AtFlags::REMOVEDIR)
    }

    fn lift(&mut self, dir: &OwnedFd, name: &Path) -> Result<(), Errno> {
        loop {
            let to = format!(".{}", self.next);
            self.next += 1;
            match rustix::fs::renameat(dir, name, self.top, &to) {
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
        let handle = rustix::fs::openat(&at, name, HANDLE | OFlags::DIRECTORY, Mode::empty())?;
        set_mode(&handle, Mode::RWXU)?;
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
    fn a_directory_of_more_names_than_are_read_at_once_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let top = temp.path().join("t");
        for at in 0..3000 {
            let dir = top.join(format!("d{}/{at:0100}", at % 2));
            fs::create_dir_all(&dir).unwrap();
            fs::write(if at % 3 == 0 { dir.join("f") } else { dir.with_extension("f") }, b"")
                .unwrap();
        }
        remove(&top).unwrap();
        assert!(!top.exists());
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
