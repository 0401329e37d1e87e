//! Which copy a file of several names has.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, Stat};
use rustix::io::Errno;
use varve_core::Result;

use super::{DIR_FLAGS, remove};

/// The first copies of files of several names, by their inodes, in a directory beside the tree: on the disk, as an image
/// may have any number of them.
pub(super) struct Links {
    path: PathBuf,
    dir: Option<OwnedFd>,
}

impl Links {
    /// Beside the tree `to`; made once it is needed.
    pub(super) fn beside(to: &Path) -> Self {
        let mut path = to.as_os_str().to_owned();
        path.push(".links");
        Self { path: path.into(), dir: None }
    }

    /// Makes `name` another name of what was copied; `false` where nothing was yet.
    pub(super) fn again(&self, to: &OwnedFd, name: &Path, stat: &Stat) -> Result<bool, Errno> {
        let Some(dir) = &self.dir else { return Ok(false) };
        let first = first(stat);
        match rustix::fs::linkat(dir, &first, to, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            // It has as many names as a file can have: the one here is the last.
            Err(Errno::MLINK) => rustix::fs::renameat(dir, &first, to, name).map(|()| true),
            linked => linked.map(|()| true),
        }
    }

    /// Remembers the first copy.
    pub(super) fn keep(&mut self, to: &OwnedFd, name: &Path, stat: &Stat) -> Result<(), Errno> {
        let dir = match self.dir.take() {
            Some(dir) => dir,
            None => {
                rustix::fs::mkdirat(CWD, &self.path, Mode::RWXU)?;
                rustix::fs::openat(CWD, &self.path, DIR_FLAGS, Mode::empty())?
            }
        };
        let dir = self.dir.insert(dir);
        rustix::fs::linkat(to, name, dir, first(stat), AtFlags::empty())
    }

    /// Forgets all, once the tree is copied.
    pub(super) fn end(&self) -> Result<()> {
        if self.dir.is_some() { remove(&self.path) } else { Ok(()) }
    }
}

fn first(stat: &Stat) -> String {
    format!("{:x}-{:x}", stat.st_dev, stat.st_ino)
}
