//! An exact copy of a tree: types, owners, modes, times, links, hard-link groups, extended
//! attributes, holes; data shared by reflink where the file system can.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use varve_core::{Error, Result};

use super::attributes::{copy_xattrs_at, times, transfer, transfer_as};
use super::data::data;
use super::links::Links;
use super::walk::{Visit, walk};
use super::{DIR_FLAGS, HANDLE, mode_of, open_below, open_with, privileged, set_mode};

/// Without root, a file that its owner may not read is made readable for a moment; by one copy or
/// comparison at a time, so that no other takes that mode for its own.
static UNPRIVILEGED: Mutex<()> = Mutex::new(());

/// Waits for whoever reads trees with modes of the moment. Root needs not.
pub(crate) fn alone() -> Option<MutexGuard<'static, ()>> {
    (!privileged()).then(|| UNPRIVILEGED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Copies what is in the directory `from`, and its attributes, to the empty directory `to`.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let _alone = alone();
    let open = |path: &Path| {
        rustix::fs::openat(CWD, path, DIR_FLAGS, Mode::empty())
            .map_err(|errno| Error::io(format!("opening {}", path.display()), errno.into()))
    };
    let mut copy = Copy { from: open(from)?, to: open(to)?, links: Links::beside(to) };
    walk(&mut copy).map_err(|(path, errno)| {
        Error::io(format!("copying {}", from.join(path).display()), errno.into())
    })?;
    copy.links.end()
}

struct Copy {
    from: OwnedFd,
    to: OwnedFd,
    links: Links,
}

/// A directory of both trees.
struct Pair {
    from: OwnedFd,
    to: OwnedFd,
}

impl AsFd for Pair {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.as_fd()
    }
}

impl Visit for Copy {
    type Dir = Pair;
    /// The mode to give back to a source that was opened up.
    type Kept = Option<Mode>;

    fn enter(&mut self, path: &Path) -> Result<Option<Mode>, Errno> {
        self.open_up(path)
    }

    fn open(&mut self, path: &Path) -> Result<Option<Pair>, Errno> {
        let (from, to) = (open_below(&self.from, path)?, open_below(&self.to, path)?);
        Ok(Some(Pair { from, to }))
    }

    fn entry(&mut self, dir: &Pair, name: &Path) -> Result<bool, Errno> {
        let stat = rustix::fs::statat(&dir.from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            rustix::fs::mkdirat(&dir.to, name, Mode::RWXU)?;
            return Ok(true);
        }
        if stat.st_nlink < 2 {
            file_or_other(&dir.from, &dir.to, name, &stat)?;
        } else if !self.links.again(&dir.to, name, &stat)? {
            file_or_other(&dir.from, &dir.to, name, &stat)?;
            self.links.keep(&dir.to, name, &stat)?;
        }
        Ok(false)
    }

    /// Sets what the copying of its children would have changed.
    fn leave(&mut self, path: &Path, opened_up: Option<Mode>) -> Result<(), Errno> {
        let (from, to) = (open_below(&self.from, path)?, open_below(&self.to, path)?);
        match opened_up {
            None => transfer(&from, &to),
            Some(mode) => {
                let done = transfer_as(&from, &to, mode);
                done.and(rustix::fs::fchmod(&from, mode))
            }
        }
    }
}

impl Copy {
    /// Makes a directory that its owner may not read readable; answers the mode that it had.
    fn open_up(&self, path: &Path) -> Result<Option<Mode>, Errno> {
        if privileged() {
            return Ok(None);
        }
        let handle = open_with(&self.from, path, HANDLE | OFlags::DIRECTORY)?;
        let mode = mode_of(&handle)?;
        if mode.contains(Mode::RUSR | Mode::XUSR) {
            return Ok(None);
        }
        let open = mode | Mode::RUSR | Mode::XUSR;
        set_mode(&handle, open)?;
        Ok(Some(mode))
    }
}

fn file_or_other(from: &OwnedFd, to: &OwnedFd, name: &Path, stat: &Stat) -> Result<(), Errno> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => file(from, to, name, stat),
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(from, name, Vec::new())?;
            rustix::fs::symlinkat(target, to, name)?;
            attributes_at(from, to, name, stat)
        }
        kind => {
            let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
            rustix::fs::mknodat(to, name, kind, mode, stat.st_rdev)?;
            attributes_at(from, to, name, stat)?;
            // The umask took part of it.
            rustix::fs::chmodat(to, name, mode, AtFlags::empty())
        }
    }
}

/// The attributes of what cannot be opened, but for its mode.
fn attributes_at(from: &OwnedFd, to: &OwnedFd, name: &Path, stat: &Stat) -> Result<(), Errno> {
    if privileged() {
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rustix::fs::chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    let proc =
        |dir: &OwnedFd| PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
    copy_xattrs_at(&proc(from), &proc(to))?;
    rustix::fs::utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
}

/// Without root, a file that its owner may not read is made readable while it is copied.
fn file(from: &OwnedFd, to: &OwnedFd, name: &Path, stat: &Stat) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    match open_source(from, name) {
        Err(Errno::ACCESS) if !privileged() => {
            let handle = open_with(from, name, HANDLE)?;
            let mode = mode_of(&handle)?;
            set_mode(&handle, Mode::RUSR)?;
            let copied = open_source(from, name)
                .and_then(|source| file_from(&source, to, name, stat.st_size as u64, mode));
            copied.and(set_mode(&handle, mode))
        }
        source => file_from(&source?, to, name, stat.st_size as u64, mode),
    }
}

fn open_source(dir: &OwnedFd, name: &Path) -> Result<OwnedFd, Errno> {
    open_with(dir, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC)
}

fn file_from(
    source: &OwnedFd,
    to: &OwnedFd,
    name: &Path,
    size: u64,
    mode: Mode,
) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = rustix::fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
    data(source, &target, size)?;
    transfer_as(source, &target, mode)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::tree::usage;

    #[test]
    fn the_deepest_directory_that_a_path_can_name_is_copied_and_measured() {
        let temp = tempfile::tempdir().unwrap();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        let mut dir = rustix::fs::open(&from, DIR_FLAGS, Mode::empty()).unwrap();
        let name = "d".repeat(255);
        for _ in 0..16 {
            rustix::fs::mkdirat(&dir, &name, Mode::RWXU).unwrap();
            dir = rustix::fs::openat(&dir, &name, DIR_FLAGS, Mode::empty()).unwrap();
        }
        rustix::fs::symlinkat("x", &dir, "link").unwrap();
        copy(&from, &to).unwrap();
        for tree in [&from, &to] {
            assert_eq!(usage(tree).unwrap().inodes, 18, "{}", tree.display());
        }
    }

    #[test]
    fn names_of_one_file_are_names_of_one_copy_and_nothing_is_left_beside_it() {
        let temp = tempfile::tempdir().unwrap();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        fs::create_dir_all(from.join("d")).unwrap();
        fs::create_dir(&to).unwrap();
        for file in ["one", "two"] {
            fs::write(from.join(file), file).unwrap();
            fs::hard_link(from.join(file), from.join("d").join(file)).unwrap();
            fs::hard_link(from.join(file), from.join(format!("third of {file}"))).unwrap();
        }
        copy(&from, &to).unwrap();
        for file in ["one", "two"] {
            let names = [file.to_owned(), format!("d/{file}"), format!("third of {file}")];
            let inodes = names.map(|name| to.join(name).metadata().unwrap());
            assert!(inodes.iter().all(|meta| (meta.ino(), meta.nlink()) == (inodes[0].ino(), 3)));
            assert_eq!(fs::read_to_string(to.join(file)).unwrap(), file);
        }
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2);
    }
}
