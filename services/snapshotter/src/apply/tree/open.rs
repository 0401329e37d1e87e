//! One open directory, what it must have when it is closed, and how to get into a tight one.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, Mode as Bits, OFlags, Timespec, Timestamps};
use rustix::fs::{UTIME_OMIT, XattrFlags};
use rustix::io::Errno;

use super::super::{Mtime, TreePath};
use super::attrs::DEFAULT_ACL;

/// A directory to be read, never a link to one.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory to make something in.
#[derive(Clone)]
pub(super) struct Parent {
    pub fd: Arc<OwnedFd>,
    /// Its real path.
    pub path: TreePath,
    /// It is setgid: what is made in it gets its group.
    pub setgid: bool,
}

/// What a directory must have when it is closed.
#[derive(Default, Clone)]
pub(super) struct Final {
    pub times: Option<Timestamps>,
    /// Where its mode had to be loosened.
    pub mode: Option<Bits>,
    /// Kept away from what is made inside, which would inherit it.
    pub default_acl: Option<Vec<u8>>,
}

pub(super) struct Open {
    pub parent: Parent,
    pub last: Final,
    /// When it was last asked for, by the clock of `Dirs`.
    pub used: u64,
}

impl Open {
    /// Gives it what it must have.
    pub(super) fn close(self) -> Result<(), Errno> {
        let fd = &self.parent.fd;
        if let Some(acl) = &self.last.default_acl {
            fs::fsetxattr(fd, DEFAULT_ACL, acl, XattrFlags::empty())?;
        }
        if let Some(mode) = self.last.mode {
            fs::fchmod(fd, mode)?;
        }
        if let Some(times) = &self.last.times {
            fs::futimens(fd, times)?;
        }
        Ok(())
    }
}

/// Opens a child directory, loosening its mode where its owner may not enter; and the mode it had.
pub(super) fn enter(at: BorrowedFd<'_>, name: &OsStr) -> Result<(OwnedFd, Option<u32>), Errno> {
    let path_only = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = fs::openat(at, name, path_only, Bits::empty())?;
    let mode = fs::statat(&handle, "", AtFlags::EMPTY_PATH)?.st_mode;
    let bits = Bits::from_raw_mode(mode);
    let tight = !bits.contains(Bits::RWXU);
    if tight {
        // The magic link leads to this very inode, whatever its name is by now.
        fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), bits | Bits::RWXU)?;
    }
    let fd = fs::openat(&handle, ".", DIRECTORY, Bits::empty())?;
    Ok((fd, tight.then_some(mode)))
}

/// Times that put an mtime back.
pub(super) fn restore(mtime: Mtime) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Timestamps { last_access: omit, last_modification: timespec(mtime) }
}

pub(super) fn timespec(time: Mtime) -> Timespec {
    Timespec { tv_sec: time.secs, tv_nsec: time.nanos.into() }
}
