//! An exact copy of a tree: types, owners, modes, times, links, hard-link groups, extended
//! attributes, holes; data shared by reflink where the file system can.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, SeekFrom, Stat, Uid};
use rustix::io::Errno;
use varve_core::{Error, Result};

use super::attributes::{copy_xattrs_at, times, transfer, transfer_as};
use super::{DIR_FLAGS, names, open_below, open_with, privileged};

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
    let mut copy = Copy { from: open(from)?, to: open(to)?, links: HashMap::new() };
    copy.run().map_err(|(path, errno)| {
        Error::io(format!("copying {}", from.join(path).display()), errno.into())
    })
}

struct Copy {
    from: OwnedFd,
    to: OwnedFd,
    /// Where an inode with several names was copied to first.
    links: HashMap<(u64, u64), PathBuf>,
}

/// A directory on the way in, or, its children done, on the way out.
enum Step {
    Enter(PathBuf),
    /// With the mode to give back to a source that was opened up.
    Leave(PathBuf, Option<Mode>),
}

type Failed = (PathBuf, Errno);

impl Copy {
    fn run(&mut self) -> Result<(), Failed> {
        let mut steps = vec![Step::Enter(PathBuf::from("."))];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(path) => {
                    self.enter(&path, &mut steps).map_err(|errno| (path, errno))?;
                }
                Step::Leave(path, mode) => {
                    self.leave(&path, mode).map_err(|errno| (path, errno))?;
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, path: &Path, steps: &mut Vec<Step>) -> Result<(), Errno> {
        let opened_up = self.open_up(path)?;
        steps.push(Step::Leave(path.to_owned(), opened_up));
        let from = open_below(&self.from, path)?;
        let to = open_below(&self.to, path)?;
        for name in names(&from)? {
            let stat = rustix::fs::statat(&from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            let child = path.join(&name);
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                rustix::fs::mkdirat(&to, &name, Mode::RWXU)?;
                steps.push(Step::Enter(child));
            } else {
                self.entry(&from, &to, &name, &stat, child)?;
            }
        }
        Ok(())
    }

    /// Sets what the copying of its children would have changed.
    fn leave(&self, path: &Path, opened_up: Option<Mode>) -> Result<(), Errno> {
        let (from, to) = (open_below(&self.from, path)?, open_below(&self.to, path)?);
        match opened_up {
            None => transfer(&from, &to),
            Some(mode) => {
                let done = transfer_as(&from, &to, mode);
                done.and(rustix::fs::fchmod(&from, mode))
            }
        }
    }

    /// Makes a directory that its owner may not read readable; answers the mode that it had.
    fn open_up(&self, path: &Path) -> Result<Option<Mode>, Errno> {
        if privileged() {
            return Ok(None);
        }
        let stat = rustix::fs::statat(&self.from, path, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        if mode.contains(Mode::RUSR | Mode::XUSR) {
            return Ok(None);
        }
        let open = mode | Mode::RUSR | Mode::XUSR;
        rustix::fs::chmodat(&self.from, path, open, AtFlags::empty())?;
        Ok(Some(mode))
    }

    fn entry(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        name: &Path,
        stat: &Stat,
        path: PathBuf,
    ) -> Result<(), Errno> {
        if stat.st_nlink > 1 {
            let inode = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&inode) {
                return rustix::fs::linkat(&self.to, first, to, name, AtFlags::empty());
            }
            self.links.insert(inode, path);
        }
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
            rustix::fs::chmodat(from, name, Mode::RUSR, AtFlags::empty())?;
            let copied = open_source(from, name)
                .and_then(|source| file_from(&source, to, name, stat.st_size as u64, mode));
            copied.and(rustix::fs::chmodat(from, name, mode, AtFlags::empty()))
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

/// Copies bytes: by reflink, else what is no hole.
fn data(from: &OwnedFd, to: &OwnedFd, size: u64) -> Result<(), Errno> {
    if size == 0 || rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    rustix::fs::ftruncate(to, size)?;
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => return Ok(()),
            Err(Errno::INVAL) => at,
            start => start?,
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(start)).unwrap_or(size);
        extent(from, to, start, end.max(start + 1).min(size))?;
        at = end.max(start + 1);
    }
    Ok(())
}

fn extent(from: &OwnedFd, to: &OwnedFd, start: u64, end: u64) -> Result<(), Errno> {
    let (mut read, mut written) = (start, start);
    while read < end {
        let len = usize::try_from(end - read).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), len) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return by_hand(from, to, read, end);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn by_hand(from: &OwnedFd, to: &OwnedFd, start: u64, end: u64) -> Result<(), Errno> {
    let mut buffer = vec![0; 128 << 10];
    let mut at = start;
    while at < end {
        let want = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let len = rustix::io::pread(from, &mut buffer[..want], at)?;
        if len == 0 {
            return Ok(());
        }
        let mut bytes = &buffer[..len];
        while !bytes.is_empty() {
            let written = rustix::io::pwrite(to, bytes, at)?;
            at += written as u64;
            bytes = &bytes[written..];
        }
    }
    Ok(())
}
