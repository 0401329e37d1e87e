//! A tree to read, as the kernel shows it.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::error::failed;
use super::tight::{Loose, Tree, Way};
use super::xattrs::{self, Xattr};
use super::{DiffError, TreePath};
use crate::apply::Limits;
use crate::mounting::Detached;
use crate::tree::{names, open_below, open_with};

/// Device and inode number: the same for the names of one file.
pub(super) type Inode = (u64, u64);

/// What can be told of a file without opening it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub kind: FileType,
    /// With setuid, setgid and sticky bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Of a file that has content; else 0.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Of a device; else 0.
    pub device: u64,
    pub inode: Inode,
    /// It is no directory, and other names may lead to it.
    pub linked: bool,
}

impl Node {
    fn of(stat: &Stat, tree: &Tree) -> Self {
        let kind = FileType::from_raw_mode(stat.st_mode);
        let device = matches!(kind, FileType::CharacterDevice | FileType::BlockDevice);
        Self {
            kind,
            mode: tree.mode(stat),
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: if kind == FileType::RegularFile { stat.st_size as u64 } else { 0 },
            mtime: (stat.st_mtime as _, stat.st_mtime_nsec as _),
            device: if device { stat.st_rdev } else { 0 },
            inode: (stat.st_dev, stat.st_ino),
            linked: kind != FileType::Directory && stat.st_nlink > 1,
        }
    }

    pub fn is_dir(&self) -> bool {
        self.kind == FileType::Directory
    }

    fn is_whiteout(&self) -> bool {
        self.kind == FileType::CharacterDevice && self.device == 0
    }
}

/// A tree, by a descriptor of its root. One directory more is open at a time.
pub(crate) struct View {
    tree: Arc<Tree>,
    limits: Limits,
    /// The tree is one of those that are stacked: there a device 0:0 hides what is below it, and is
    /// nothing by itself. Elsewhere it is a device like any other.
    stacked: bool,
    /// The directory that was looked at last.
    at: Option<(TreePath, OwnedFd)>,
    way: Way,
}

impl View {
    pub fn new(mount: Detached, stacked: bool, limits: Limits) -> Self {
        let tree = Arc::new(Tree::new(mount));
        Self { tree, limits, stacked, at: None, way: Way::default() }
    }

    /// The same tree, to be read beside this one.
    pub fn again(&self) -> Self {
        let (tree, limits) = (Arc::clone(&self.tree), self.limits.clone());
        Self { tree, limits, stacked: self.stacked, at: None, way: Way::default() }
    }

    fn dir(&mut self, path: &TreePath) -> Result<BorrowedFd<'_>, Errno> {
        if self.at.as_ref().is_none_or(|(at, _)| at != path) {
            self.at = None;
            self.way.to(&self.tree, path)?;
            let dir = open_below(self.tree.root(), path.as_path())?;
            self.at = Some((path.clone(), dir));
        }
        Ok(self.at.as_ref().expect("it was set above").1.as_fd())
    }

    /// The directory that holds `path`, and its name there; the root is in itself.
    fn place<'a>(&mut self, path: &'a TreePath) -> Result<(BorrowedFd<'_>, &'a Path), Errno> {
        match path.split() {
            Some((_, name)) => Ok((self.dir(&path.parent())?, Path::new(name))),
            None => Ok((self.dir(path)?, Path::new("."))),
        }
    }

    /// The names in the directory `path`.
    pub(super) fn names(&mut self, path: &TreePath) -> Result<Vec<OsString>, DiffError> {
        let names = self.dir(path).and_then(names).map_err(failed("listing", path))?;
        Ok(names.into_iter().map(PathBuf::into_os_string).collect())
    }

    /// What is at `path`, whose directory must be there. Sockets belong to who listens on them, and
    /// are nothing in a layer, as for Docker.
    pub(super) fn node(&mut self, path: &TreePath) -> Result<Option<Node>, DiffError> {
        let (dir, name) = self.place(path).map_err(failed("opening the directory of", path))?;
        let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            stat => stat.map_err(failed("looking at", path))?,
        };
        let node = Node::of(&stat, &self.tree);
        let nothing = node.kind == FileType::Socket || self.stacked && node.is_whiteout();
        Ok((!nothing).then_some(node))
    }

    /// The extended attributes of what is at `path`, by name.
    pub(super) fn xattrs(&mut self, path: &TreePath) -> Result<Vec<Xattr>, DiffError> {
        let limits = self.limits.clone();
        let _loose = self.loosen(path)?;
        let (dir, name) = self.place(path).map_err(failed("opening the directory of", path))?;
        // The magic link leads to the directory, and the name in it is not followed.
        let proc = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name);
        xattrs::read(&proc, path, &limits)
    }

    /// Has whoever may not read it, though it is theirs, read `path` until the answer is dropped.
    fn loosen(&mut self, path: &TreePath) -> Result<Option<Loose>, DiffError> {
        // The way to it must be open, and stays so.
        self.place(path).map_err(failed("opening the directory of", path))?;
        self.tree.loosen(path).map_err(failed("opening up", path))
    }

    /// Where the symlink at `path` leads.
    pub(super) fn target(&mut self, path: &TreePath) -> Result<Vec<u8>, DiffError> {
        let (dir, name) = self.place(path).map_err(failed("opening the directory of", path))?;
        let target = rustix::fs::readlinkat(dir, name, Vec::new());
        target.map(std::ffi::CString::into_bytes).map_err(failed("reading the link", path))
    }

    /// Opens the regular file that `node` was seen to be; answers it as it is now. What is there is
    /// looked at before it is opened: to open a device or a fifo can do something to it.
    pub(super) fn open(
        &mut self,
        path: &TreePath,
        node: &Node,
    ) -> Result<(OwnedFd, Node), DiffError> {
        let _loose = self.loosen(path)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (dir, name) = self.place(path).map_err(failed("opening the directory of", path))?;
        let found = open_with(dir, name, flags).map_err(failed("opening", path))?;
        let now = self.now(&found, path)?;
        if now.kind != FileType::RegularFile || now.inode != node.inode {
            return Err(DiffError::Moved(path.clone()));
        }
        let proc = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
        let file = rustix::fs::openat(CWD, proc, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        Ok((file.map_err(failed("opening", path))?, now))
    }

    /// What is said of an open file by now.
    pub(super) fn now(&self, file: &OwnedFd, path: &TreePath) -> Result<Node, DiffError> {
        let stat = rustix::fs::fstat(file).map_err(failed("looking at", path))?;
        Ok(Node::of(&stat, &self.tree))
    }
}

/// The bytes of a name.
pub(super) fn bytes(name: &OsStr) -> &[u8] {
    name.as_bytes()
}
