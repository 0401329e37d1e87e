//! Owner, extended attributes, mode and times, from one inode to another.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{CWD, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use varve_core::{Error, Result};

use super::privileged;

/// Gives the directory `to` what the directory `from` has.
pub(crate) fn copy_attributes(from: &Path, to: &Path) -> Result<()> {
    let open = |path: &Path| rustix::fs::openat(CWD, path, super::DIR_FLAGS, Mode::empty());
    open(from)
        .and_then(|from| transfer(&from, &open(to)?))
        .map_err(|errno| Error::io(format!("attributes of {}", from.display()), errno.into()))
}

/// Gives the open file or directory `to` what `from` has: owner first (it clears setuid and
/// capabilities), then extended attributes, mode, and times last.
pub(crate) fn transfer(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&from)?.st_mode & 0o7777);
    transfer_as(from, to, mode)
}

/// [`transfer`] with another mode than the source has at the moment.
pub(super) fn transfer_as(from: impl AsFd, to: impl AsFd, mode: Mode) -> Result<(), Errno> {
    let stat = rustix::fs::fstat(&from)?;
    if privileged() {
        rustix::fs::fchown(
            &to,
            Some(Uid::from_raw(stat.st_uid)),
            Some(Gid::from_raw(stat.st_gid)),
        )?;
    }
    copy_xattrs(&from, &to)?;
    rustix::fs::fchmod(&to, mode)?;
    rustix::fs::futimens(&to, &times(&stat))
}

/// The times of a file, as they are set.
pub(crate) fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime as _, tv_nsec: stat.st_atime_nsec as _ },
        last_modification: Timespec {
            tv_sec: stat.st_mtime as _,
            tv_nsec: stat.st_mtime_nsec as _,
        },
    }
}

fn copy_xattrs(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    for name in list(&from)? {
        let value = read_xattr(|buffer| rustix::fs::fgetxattr(&from, &name, buffer))?;
        match rustix::fs::fsetxattr(&to, &name, &value, XattrFlags::empty()) {
            Err(errno) if !matters(&name, errno) => {}
            done => done?,
        }
    }
    Ok(())
}

/// Copies the extended attributes of what cannot be opened: links, devices, fifos, by their paths
/// in `/proc/self/fd`.
pub(super) fn copy_xattrs_at(from: &Path, to: &Path) -> Result<(), Errno> {
    let names = match read_xattr(|buffer| rustix::fs::llistxattr(from, buffer)) {
        Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => return Ok(()),
        names => split(&names?),
    };
    for name in names {
        let value = read_xattr(|buffer| rustix::fs::lgetxattr(from, &name, buffer))?;
        match rustix::fs::lsetxattr(to, &name, &value, XattrFlags::empty()) {
            Err(errno) if !matters(&name, errno) => {}
            done => done?,
        }
    }
    Ok(())
}

/// The names of an open file's extended attributes, but for overlayfs's own.
fn list(file: impl AsFd) -> Result<Vec<CString>, Errno> {
    match read_xattr(|buffer| rustix::fs::flistxattr(&file, buffer)) {
        Err(Errno::NOTSUP) => Ok(Vec::new()),
        names => Ok(split(&names?)),
    }
}

/// The names in a list of them, but for overlayfs's own.
pub(crate) fn split(names: &[u8]) -> Vec<CString> {
    let overlay = |name: &CStr| {
        let name = name.to_bytes();
        name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
    };
    let names = names.split_inclusive(|&byte| byte == 0);
    names
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok())
        .filter(|name| !overlay(name))
        .map(CStr::to_owned)
        .collect()
}

/// Whether it is a failure that an attribute could not be set. Labels of a security module are the
/// machine's own; without root only `user.` ones can be expected.
fn matters(name: &CStr, errno: Errno) -> bool {
    let denied = matches!(errno, Errno::PERM | Errno::ACCESS | Errno::NOTSUP);
    let name = name.to_bytes();
    !(denied && (name.starts_with(b"security.selinux") || !privileged()))
}

/// Reads a value of unknown length: the kernel's limit is 64 KiB.
pub(crate) fn read_xattr(
    read: impl Fn(&mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 1024];
    let len = match read(&mut buffer) {
        Err(Errno::RANGE) => {
            buffer.resize(64 << 10, 0);
            read(&mut buffer)?
        }
        len => len?,
    };
    buffer.truncate(len);
    Ok(buffer)
}
