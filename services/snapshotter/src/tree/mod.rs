//! Trees of files below a directory of ours: copied exactly, measured, removed.
//!
//! Their names and links are an image's and mean nothing here: directories are opened from the
//! root's descriptor with openat2 and no link is ever followed. Few descriptors are open at a time, and
//! few names in memory, however deep and wide a tree is.

mod attributes;
mod copy;
mod data;
mod links;
mod read;
mod remove;
mod usage;
mod walk;

use std::fs::DirBuilder;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use varve_core::{Error, Result};

pub(crate) use attributes::{copy_attributes, read_xattr, split, times, transfer};
pub(crate) use copy::{alone, copy};
pub(crate) use read::is_empty;
pub(crate) use remove::{remove, remove_at};
pub(crate) use usage::usage;

/// How a directory is opened that must not be a link.
pub(crate) const DIR_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How something is opened to ask and set its mode, itself where it is a link.
pub(crate) const HANDLE: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Sets the mode of what a [`HANDLE`] is of, whatever has its name by now: a program that still has the tree could put a
/// link there. A link itself has none.
pub(crate) fn set_mode(handle: &OwnedFd, mode: Mode) -> Result<(), Errno> {
    rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), mode)
}

pub(crate) fn mode_of(file: &OwnedFd) -> Result<Mode, Errno> {
    Ok(Mode::from_raw_mode(rustix::fs::fstat(file)?.st_mode & 0o7777))
}

/// Makes a directory that only its owner may enter, and those above it where they are missing.
pub(crate) fn make_private(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| Error::io(format!("making {}", dir.display()), error))
}

/// Opens the directory `path` below `root`, itself where that is empty; ELOOP where a link is on the way.
pub(crate) fn open_below(root: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    open_with(root, path, DIR_FLAGS)
}

/// [`rustix::fs::openat2`] without links, begun anew where a rename elsewhere raced with it.
pub(crate) fn open_with(root: impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    const TRIES: usize = 128;
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::BENEATH;
    for _ in 0..TRIES {
        match rustix::fs::openat2(root.as_fd(), path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            done => return done,
        }
    }
    Err(Errno::AGAIN)
}

/// The names in a directory, without `.` and `..`.
pub(crate) fn names(dir: impl AsFd) -> Result<Vec<PathBuf>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(PathBuf::from(std::ffi::OsStr::from_bytes(name)));
        }
    }
    Ok(names)
}

/// Whether this process may do everything to every file.
pub(crate) fn privileged() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_mode_of_what_a_link_leads_to_is_not_set() {
        let temp = tempfile::tempdir().unwrap();
        let target = temp.path().join("target");
        std::fs::write(&target, b"").unwrap();
        let before = target.metadata().unwrap().permissions().mode();
        std::os::unix::fs::symlink("target", temp.path().join("link")).unwrap();
        let dir = rustix::fs::open(temp.path(), DIR_FLAGS, Mode::empty()).unwrap();
        for (name, after) in [("link", before), ("target", 0o100400)] {
            let handle = open_with(&dir, Path::new(name), HANDLE).unwrap();
            let _ = set_mode(&handle, Mode::RUSR);
            assert_eq!(target.metadata().unwrap().permissions().mode(), after, "{name}");
        }
    }
}
