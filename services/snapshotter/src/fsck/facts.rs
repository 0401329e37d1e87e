//! What is known of a file without reading it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Stat, statat};
use rustix::io::Errno;

use crate::tree::{read_xattr, split};

const OPAQUE: &str = "trusted.overlay.opaque";

/// Extended attributes that are an image's.
pub(super) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A name in an open directory, not followed; `None` where there is none.
pub(super) fn look(dir: impl AsFd, name: &Path) -> Result<Option<Stat>, Errno> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        found => found.map(Some),
    }
}

pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

pub(super) fn is_whiteout(stat: &Stat) -> bool {
    kind(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// A path that the kernel follows to the name in this directory, however deep it is.
fn place(dir: BorrowedFd<'_>, name: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name)
}

/// Those of a name, but for the machine's own labels and overlayfs's notes.
pub(super) fn xattrs(dir: impl AsFd, name: &Path) -> Result<Xattrs, Errno> {
    let path = place(dir.as_fd(), name);
    let names = match read_xattr(|buffer| rustix::fs::llistxattr(&path, buffer)) {
        Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => return Ok(Xattrs::new()),
        names => names?,
    };
    let mut all = Xattrs::new();
    let ours = |name: &CString| !name.as_bytes().starts_with(b"security.selinux");
    for name in split(&names).into_iter().filter(ours) {
        let value = read_xattr(|buffer| rustix::fs::lgetxattr(&path, &name, buffer))?;
        all.insert(name.into_bytes(), value);
    }
    Ok(all)
}

/// Whether an overlay shows nothing of the layers below in this directory.
pub(super) fn is_opaque(dir: impl AsFd, name: &Path) -> Result<bool, Errno> {
    let path = place(dir.as_fd(), name);
    match read_xattr(|buffer| rustix::fs::lgetxattr(&path, OPAQUE, buffer)) {
        Ok(value) => Ok(value == b"y"),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => Ok(false),
        Err(errno) => Err(errno),
    }
}
