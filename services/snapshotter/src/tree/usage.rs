//! What a tree costs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat};
use rustix::io::Errno;
use varve_core::snapshots::Usage;
use varve_core::{Error, Result};

use super::{DIR_FLAGS, names, open_below};

/// Blocks and inodes below `dir`, its own included; hard links count once.
pub(crate) fn usage(dir: &Path) -> Result<Usage> {
    let mut sum = Sum::default();
    sum.tree(dir)
        .map_err(|errno| Error::io(format!("measuring {}", dir.display()), errno.into()))?;
    Ok(sum.usage)
}

#[derive(Default)]
struct Sum {
    usage: Usage,
    /// Inodes with several names that were counted.
    seen: HashSet<(u64, u64)>,
}

impl Sum {
    fn tree(&mut self, dir: &Path) -> Result<(), Errno> {
        let root = rustix::fs::openat(CWD, dir, DIR_FLAGS, Mode::empty())?;
        self.add(&rustix::fs::fstat(&root)?);
        let mut pending = vec![PathBuf::from(".")];
        while let Some(path) = pending.pop() {
            // A tree that is in use changes; what nobody can open costs what its inode costs.
            let Ok(dir) = open_below(&root, &path) else { continue };
            for name in names(&dir)? {
                let Ok(stat) = rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                    continue;
                };
                self.add(&stat);
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    pending.push(path.join(name));
                }
            }
        }
        Ok(())
    }

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
