//! A tree of whoever runs this process without root. What its owner may not read is opened up for a
//! moment, as when it is copied, and is told as it was.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::TreePath;
use super::view::Inode;
use crate::mounting::Detached;
use crate::tree::{open_below, open_with, privileged};

/// A mounted tree, and what of it is open wider than it was found.
pub(super) struct Tree {
    mount: Detached,
    /// The mode that each has when nobody needs it any more, and how many do.
    loose: Mutex<HashMap<Inode, (u32, usize)>>,
}

impl Tree {
    pub fn new(mount: Detached) -> Self {
        Self { mount, loose: Mutex::default() }
    }

    pub fn root(&self) -> BorrowedFd<'_> {
        self.mount.root()
    }

    /// The mode that a file was found with.
    pub fn mode(&self, stat: &Stat) -> u32 {
        let loose = self.loose.lock().unwrap_or_else(PoisonError::into_inner);
        loose.get(&(stat.st_dev, stat.st_ino)).map_or(stat.st_mode & 0o7777, |(mode, _)| *mode)
    }

    /// Lets the owner read `path`, a file or a directory that can be reached, until the answer is
    /// dropped. `None` where that is so already, or nothing can be done.
    pub fn loosen(self: &Arc<Self>, path: &TreePath) -> Result<Option<Loose>, Errno> {
        if privileged() {
            return Ok(None);
        }
        let (file, stat) = self.look(path)?;
        let wanted = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Mode::RUSR | Mode::XUSR,
            FileType::RegularFile => Mode::RUSR,
            _ => return Ok(None),
        };
        let inode = (stat.st_dev, stat.st_ino);
        let mut loose = self.loose.lock().unwrap_or_else(PoisonError::into_inner);
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        if let Some((_, users)) = loose.get_mut(&inode) {
            *users += 1;
        } else if mode.contains(wanted) || stat.st_uid != rustix::process::geteuid().as_raw() {
            return Ok(None);
        } else {
            set_mode(&file, mode | wanted)?;
            loose.insert(inode, (mode.as_raw_mode(), 1));
        }
        Ok(Some(Loose { tree: Arc::clone(self), path: path.clone(), inode }))
    }

    /// A descriptor that nothing can be read through, and that leads past no link.
    fn look(&self, path: &TreePath) -> Result<(OwnedFd, Stat), Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match path.split() {
            Some((_, name)) => {
                let dir = open_below(self.root(), path.parent().as_path())?;
                open_with(dir, name.as_ref(), flags)?
            }
            None => open_with(self.root(), path.as_path(), flags)?,
        };
        let stat = rustix::fs::fstat(&file)?;
        Ok((file, stat))
    }

    fn tighten(&self, path: &TreePath, inode: Inode) -> Result<(), Errno> {
        let mut loose = self.loose.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((mode, users)) = loose.get_mut(&inode) else { return Ok(()) };
        *users -= 1;
        if *users > 0 {
            return Ok(());
        }
        let mode = Mode::from_raw_mode(*mode);
        loose.remove(&inode);
        match self.look(path)? {
            (file, stat) if (stat.st_dev, stat.st_ino) == inode => set_mode(&file, mode),
            _ => Err(Errno::STALE),
        }
    }
}

/// By the path of the descriptor, which the kernel takes for the file itself.
fn set_mode(file: &OwnedFd, mode: Mode) -> Result<(), Errno> {
    let proc = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    rustix::fs::chmodat(CWD, proc, mode, AtFlags::empty())
}

/// A file or directory that is open wider than it was; no longer when this is dropped.
pub(super) struct Loose {
    tree: Arc<Tree>,
    path: TreePath,
    inode: Inode,
}

impl Drop for Loose {
    fn drop(&mut self) {
        if let Err(errno) = self.tree.tighten(&self.path, self.inode) {
            tracing::warn!(path = ?self.path, %errno, "a mode that was opened up is left so");
        }
    }
}

/// The directories on the way to one, as far as they had to be opened up; the highest first.
#[derive(Default)]
pub(super) struct Way(Vec<Loose>);

impl Way {
    /// Opens the way to the directory `path`, and closes what does not lead there.
    pub fn to(&mut self, tree: &Arc<Tree>, path: &TreePath) -> Result<(), Errno> {
        if privileged() {
            return Ok(());
        }
        while self.0.pop_if(|loose| !path.is_within(&loose.path)).is_some() {}
        let mut above: Vec<_> = path.ancestors().collect();
        while let Some(dir) = above.pop() {
            if !self.0.iter().any(|loose| loose.path == dir) {
                self.0.extend(tree.loosen(&dir)?);
            }
        }
        Ok(())
    }
}

impl Drop for Way {
    /// From below: a directory can be reached only as long as those above it are open.
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}
