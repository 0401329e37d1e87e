//! A directory that holds an image layout: files of it by name, and no link followed.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;
use varve_core::{Error, Result};

/// An open directory.
pub struct Directory(OwnedFd);

impl Directory {
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        let opened = open(path, flags, Mode::empty());
        opened.map(Self).map_err(|errno| Error::io("opening it", errno.into()))
    }

    /// The regular file `name`, and its size in bytes. A link on the way to it is refused: it may lead to any
    /// file of this machine.
    pub fn file(&self, name: &str) -> Result<Option<(File, u64)>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let within =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = match openat2(&self.0, name, flags, Mode::empty(), within) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(Errno::LOOP) => return Err(Error::invalid(format!("{name:?} is a symbolic link"))),
            Err(errno) => return Err(Error::io(name, errno.into())),
        };
        let about = file.metadata().map_err(|error| Error::io(name, error))?;
        match about.is_file() {
            true => Ok(Some((file, about.len()))),
            false => Err(Error::invalid(format!("{name:?} is no regular file"))),
        }
    }
}

/// Whether there is a directory.
pub fn is_one(path: &Path) -> bool {
    open(path, OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_below_are_opened_and_links_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("blobs")).unwrap();
        std::fs::write(dir.path().join("blobs/a"), "abc").unwrap();
        symlink("/etc/passwd", dir.path().join("link")).unwrap();
        symlink("/etc", dir.path().join("dir")).unwrap();
        let opened = Directory::open(dir.path()).unwrap();
        assert_eq!(opened.file("blobs/a").unwrap().map(|(_, size)| size), Some(3));
        assert!(opened.file("blobs/b").unwrap().is_none());
        for bad in ["link", "dir/passwd", "blobs", "../x", "/etc/passwd"] {
            assert!(opened.file(bad).is_err(), "{bad}");
        }
    }
}
