//! The directories that are open: found, made, and put back as they were.
//!
//! Making a file changes its directory's mtime, and without root a directory may have to be made
//! writable first. Each open directory therefore carries what it must have in the end, and gets it
//! when it is closed: after its contents in any order of the archive, for it is opened again where
//! more comes. A few stay open, known by their real path (without symlinks), so that one lookup
//! serves all of a directory's files.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, Mode as Bits, ResolveFlags};
use rustix::io::Errno;

use super::super::{ApplyError, Mode, Mtime, Privilege, TreePath};
use super::attrs::DEFAULT_ACL;
use super::failed;
use super::open::{DIRECTORY, Final, Open, Parent, enter, restore};

/// Directories kept open: deeper than nearly every image's trees.
const OPEN: usize = 32;
/// Names through symlinks whose real path is remembered.
const ALIASES: usize = 256;
/// Tries of an openat2 that met a rename.
const TRIES: usize = 64;

pub(super) struct Dirs {
    root: OwnedFd,
    privilege: Privilege,
    open: Vec<Open>,
    clock: u64,
    aliases: HashMap<TreePath, TreePath>,
    /// Whether a directory that is opened may have a default ACL.
    pub default_acls: bool,
}

impl Dirs {
    pub(super) fn open(
        root: OwnedFd,
        privilege: Privilege,
        mode: Mode,
    ) -> Result<Self, ApplyError> {
        let open = Vec::with_capacity(OPEN);
        let aliases = HashMap::new();
        let mut dirs = Self { root, privilege, open, clock: 0, aliases, default_acls: true };
        dirs.real(&TreePath::root()).map_err(failed("opening", &TreePath::root()))?;
        dirs.default_acls = mode == Mode::InPlace;
        if !dirs.default_acls {
            // Inherited from where the store is: no part of any image.
            dirs.open.iter_mut().for_each(|open| open.last.default_acl = None);
        }
        Ok(dirs)
    }

    /// The directory with this real path.
    pub(super) fn real(&mut self, path: &TreePath) -> Result<Parent, Errno> {
        self.clock += 1;
        if let Some(open) = self.open.iter_mut().find(|open| open.parent.path == *path) {
            open.used = self.clock;
            return Ok(open.parent.clone());
        }
        let (fd, forced) = match self.openat2(path) {
            Err(Errno::ACCESS) if self.privilege == Privilege::None => self.force(path)?,
            opened => (opened?, None),
        };
        let stat = fs::fstat(&fd)?;
        let mode = Bits::from_raw_mode(forced.unwrap_or(stat.st_mode));
        let mtime = Mtime { secs: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 };
        let last = Final {
            times: Some(restore(mtime)),
            mode: self.loosen(fd.as_fd(), mode)?,
            default_acl: self.take_default_acl(fd.as_fd())?,
        };
        let setgid = mode.contains(Bits::SGID);
        self.insert(Parent { fd: fd.into(), path: path.clone(), setgid }, last)
    }

    /// Keeps a directory that was just made, with what it must have in the end.
    pub(super) fn insert(&mut self, parent: Parent, last: Final) -> Result<Parent, Errno> {
        if self.open.len() >= OPEN {
            self.close_oldest()?;
        }
        self.clock += 1;
        self.open.push(Open { parent: parent.clone(), last, used: self.clock });
        Ok(parent)
    }

    /// An entry says what an open directory must have in the end.
    pub(super) fn describe(&mut self, path: &TreePath, last: Final, setgid: bool) {
        if let Some(open) = self.open.iter_mut().find(|open| open.parent.path == *path) {
            open.last = last;
            open.parent.setgid = setgid;
        }
    }

    fn openat2(&self, path: &TreePath) -> Result<OwnedFd, Errno> {
        let resolve =
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        for _ in 0..TRIES {
            match fs::openat2(&self.root, path.as_path(), DIRECTORY, Bits::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens a directory that, or whose parents, its owner may not enter, as that owner; gives
    /// back the mode that it had.
    fn force(&self, path: &TreePath) -> Result<(OwnedFd, Option<u32>), Errno> {
        let mut at = fs::openat(&self.root, ".", DIRECTORY, Bits::empty())?;
        let mut own = None;
        let mut above = Vec::new();
        for name in path.components() {
            let (child, mode) = enter(at.as_fd(), name)?;
            above.extend(own.take().map(|mode| (at, mode)));
            (at, own) = (child, mode);
        }
        for (fd, mode) in above {
            fs::fchmod(&fd, Bits::from_raw_mode(mode))?;
        }
        Ok((at, own))
    }

    /// Makes a directory usable for its owner; what it had is for its end.
    fn loosen(&self, fd: BorrowedFd<'_>, mode: Bits) -> Result<Option<Bits>, Errno> {
        if self.privilege == Privilege::Root || mode.contains(Bits::RWXU) {
            return Ok(None);
        }
        fs::fchmod(fd, mode | Bits::RWXU)?;
        Ok(Some(mode))
    }

    fn take_default_acl(&self, fd: BorrowedFd<'_>) -> Result<Option<Vec<u8>>, Errno> {
        if !self.default_acls {
            return Ok(None);
        }
        let mut value = Vec::with_capacity(64 << 10);
        match fs::fgetxattr(fd, DEFAULT_ACL, rustix::buffer::spare_capacity(&mut value)) {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            other => other?,
        };
        fs::fremovexattr(fd, DEFAULT_ACL)?;
        Ok(Some(value))
    }

    /// The real path that was found for a name through symlinks.
    pub(super) fn alias(&self, name: &TreePath) -> Option<&TreePath> {
        self.aliases.get(name)
    }

    pub(super) fn remember(&mut self, name: TreePath, real: TreePath) {
        if self.aliases.len() >= ALIASES {
            self.aliases.clear();
        }
        self.aliases.insert(name, real);
    }

    /// A symlink was removed: names through it may now mean something else.
    pub(super) fn forget_aliases(&mut self) {
        self.aliases.clear();
    }

    /// The directory at `path` was removed with all below it.
    pub(super) fn forget(&mut self, path: &TreePath) {
        self.aliases.clear();
        self.open.retain(|open| !open.parent.path.is_within(path));
    }

    /// Gives every open directory what it must have, and closes it.
    pub(super) fn close_all(&mut self) -> Result<(), ApplyError> {
        self.aliases.clear();
        while !self.open.is_empty() {
            self.close_oldest().map_err(failed("finishing a directory", &TreePath::root()))?;
        }
        Ok(())
    }

    fn close_oldest(&mut self) -> Result<(), Errno> {
        let oldest = self.open.iter().enumerate().min_by_key(|(_, open)| open.used);
        if let Some((at, _)) = oldest {
            self.open.swap_remove(at).close()?;
        }
        Ok(())
    }
}
