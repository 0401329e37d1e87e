//! Making each kind of file: exclusively, and in the place of what was there.

use std::ffi::OsStr;
use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{self, AtFlags, FileType, OFlags};
use rustix::io::Errno;

use super::super::{ApplyError, Device, Entry, Extent, Privilege, Subject, TreePath};
use super::attrs::{bits, hides, times};
use super::content::{BLOCK, blocks, copy, copy_sparse};
use super::open::Parent;
use super::resolve::Missing;
use super::{TreeSink, failed, kind_of, look};

const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl TreeSink {
    /// The directory that an entry goes into.
    pub(super) fn parent(&mut self, path: &TreePath) -> Result<Parent, ApplyError> {
        let parent = self.dir(&path.parent(), Missing::Create)?;
        Ok(parent.expect("a missing directory is made"))
    }

    /// Makes something with `make`, once what has its name is out of the way.
    pub(super) fn make<T>(
        &mut self,
        parent: &Parent,
        entry: &Entry,
        mut make: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Unmade> {
        match make() {
            Err(Errno::EXIST) => {
                self.displace(parent, entry.path.name())?;
                make().map_err(Unmade::Call)
            }
            made => made.map_err(Unmade::Call),
        }
    }

    /// Removes what is at `name`, a directory with all that is in it.
    pub(super) fn displace(&mut self, parent: &Parent, name: &OsStr) -> Result<(), ApplyError> {
        let path = parent.path.join(name.as_encoded_bytes());
        match look(parent, name)?.map(|stat| kind_of(&stat)) {
            None => Ok(()),
            Some(FileType::Directory) => self.remove_tree(parent, name, &path),
            Some(kind) => {
                if kind == FileType::Symlink {
                    self.dirs.forget_aliases();
                }
                fs::unlinkat(&parent.fd, name, AtFlags::empty()).map_err(failed("removing", &path))
            }
        }
    }

    pub(super) fn file(
        &mut self,
        entry: &Entry,
        size: u64,
        sparse: Option<&[Extent]>,
        body: &mut dyn BufRead,
    ) -> Result<(), ApplyError> {
        let parent = self.parent(&entry.path)?;
        // As owner, not by mode: a user.* xattr wants a file that its owner may write.
        let unset = if self.privilege == Privilege::None { 0o600 } else { 0 };
        let mode = bits(entry.mode & 0o777 | unset);
        let fd = self
            .make(&parent, entry, || fs::openat(&parent.fd, entry.path.name(), NEW_FILE, mode))
            .map_err(|error| error.told("making", &entry.path))?;
        let stored = match sparse {
            None => copy(body, &fd, &entry.path, &mut self.room)?,
            Some(extents) => {
                let laid = self.scatter(extents)?;
                copy_sparse(body, &fd, size, extents, &entry.path, &mut self.room)?;
                laid
            }
        };
        self.count(stored)?;
        self.dress(&parent, fd.as_fd(), entry)?;
        fs::futimens(&fd, &times(entry)).map_err(failed("setting the times of", &entry.path))?;
        self.placed(&parent, entry);
        Ok(())
    }

    /// Bytes on the disk of these extents. Blocks that they fill in part cost an archive next to nothing, so the
    /// layer has no more of them than one file has extents; who makes sparse files by blocks has none.
    fn scatter(&mut self, extents: &[Extent]) -> Result<u64, ApplyError> {
        let laid = BLOCK * blocks(extents);
        self.scattered += laid - extents.iter().map(|extent| extent.len).sum::<u64>();
        if self.scattered.div_ceil(BLOCK) > self.limits.extents as u64 {
            let what = "more blocks that its sparse files fill in part";
            return Err(ApplyError::limit("extents", what, self.limits.extents as u64));
        }
        Ok(laid)
    }

    /// Owner, mode and xattrs of what was just made.
    fn dress(
        &mut self,
        parent: &Parent,
        fd: BorrowedFd<'_>,
        entry: &Entry,
    ) -> Result<(), ApplyError> {
        if self.privilege == Privilege::Root {
            self.own(parent, fd, entry)?;
            return self.xattrs(fd, entry);
        }
        self.record_owner(fd, entry);
        self.xattrs(fd, entry)?;
        self.chmod(fd, entry)
    }

    pub(super) fn placed(&mut self, parent: &Parent, entry: &Entry) {
        self.mark(parent, &parent.path.join(entry.path.name().as_encoded_bytes()));
    }

    pub(super) fn symlink(&mut self, entry: &Entry, target: &OsStr) -> Result<(), ApplyError> {
        let parent = self.parent(&entry.path)?;
        self.make(&parent, entry, || fs::symlinkat(target, &parent.fd, entry.path.name()))
            .map_err(|error| error.told("making the link", &entry.path))?;
        self.count(0)?;
        self.placed(&parent, entry);
        self.dress_at(&parent, entry)
    }

    pub(super) fn special(
        &mut self,
        entry: &Entry,
        kind: FileType,
        device: Option<Device>,
    ) -> Result<(), ApplyError> {
        // In no mode: in place it would first remove what it cannot replace, and what is copied may be stacked.
        if hides(kind, device) {
            self.tree.notices.add(Subject::WhiteoutDevice, &entry.path);
            return Ok(());
        }
        if device.is_some() && self.privilege == Privilege::None {
            self.tree.notices.add(Subject::Device, &entry.path);
            return Ok(());
        }
        let parent = self.parent(&entry.path)?;
        let number = device.map_or(0, |device| fs::makedev(device.major, device.minor));
        let mode = bits(entry.mode & 0o777);
        let name = entry.path.name();
        let made = self.make(&parent, entry, || fs::mknodat(&parent.fd, name, kind, mode, number));
        if let (Err(Unmade::Call(Errno::PERM)), Some(_)) = (&made, device) {
            self.tree.notices.add(Subject::Device, &entry.path);
            return Ok(());
        }
        made.map_err(|error| error.told("making", &entry.path))?;
        self.count(0)?;
        self.placed(&parent, entry);
        if self.privilege == Privilege::Root || !self.maker.gives(entry.mode) {
            self.dress_special(&parent, entry)
        } else {
            self.dress_at(&parent, entry)
        }
    }

    fn dress_special(&mut self, parent: &Parent, entry: &Entry) -> Result<(), ApplyError> {
        self.dress_at(parent, entry)?;
        if self.maker.gives(entry.mode) { Ok(()) } else { self.chmod_at(parent, entry) }
    }
}

/// A failure of making itself, or of making room for it.
pub(super) enum Unmade {
    Call(Errno),
    Room(ApplyError),
}

impl From<ApplyError> for Unmade {
    fn from(error: ApplyError) -> Self {
        Self::Room(error)
    }
}

impl Unmade {
    pub(super) fn told(self, what: &'static str, path: &TreePath) -> ApplyError {
        match self {
            Self::Call(errno) => failed(what, path)(errno),
            Self::Room(error) => error,
        }
    }
}
