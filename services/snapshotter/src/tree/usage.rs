//! What a tree costs.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat};
use rustix::io::Errno;
use varve_core::snapshots::Usage;
use varve_core::{Error, Result};

use super::walk::{Visit, walk};
use super::{DIR_FLAGS, open_below};

/// Blocks and inodes below `dir`, its own included; hard links count once.
pub(crate) fn usage(dir: &Path) -> Result<Usage> {
    let failed = |errno: Errno| Error::io(format!("measuring {}", dir.display()), errno.into());
    let root = rustix::fs::openat(CWD, dir, DIR_FLAGS, Mode::empty()).map_err(failed)?;
    let mut sum = Sum { root, usage: Usage::default(), seen: HashSet::new() };
    let stat = rustix::fs::fstat(&sum.root).map_err(failed)?;
    sum.add(&stat);
    walk(&mut sum).map_err(|(_, errno)| failed(errno))?;
    Ok(sum.usage)
}

struct Sum {
    root: OwnedFd,
    usage: Usage,
    /// Inodes with several names that were counted.
    seen: HashSet<(u64, u64)>,
}

/// A tree in use changes; what nobody can open costs what its inode costs.
impl Visit for Sum {
    type Dir = OwnedFd;
    type Kept = ();

    fn enter(&mut self, _: &Path) -> Result<(), Errno> {
        Ok(())
    }

    fn open(&mut self, path: &Path) -> Result<Option<OwnedFd>, Errno> {
        Ok(open_below(&self.root, path).ok())
    }

    fn entry(&mut self, dir: &OwnedFd, name: &Path) -> Result<bool, Errno> {
        let Ok(stat) = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return Ok(false);
        };
        self.add(&stat);
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    fn leave(&mut self, _: &Path, (): ()) -> Result<(), Errno> {
        Ok(())
    }
}

impl Sum {
    fn add(&mut self, stat: &Stat) {
        let several =
            stat.st_nlink > 1 && FileType::from_raw_mode(stat.st_mode) != FileType::Directory;
        if several && !self.seen.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        self.usage.size += stat.st_blocks as u64 * 512;
        self.usage.inodes += 1;
    }
}
