//! Removing trees without following a link, and emptying directories of what lower layers made.
//!
//! One descriptor, whatever the depth: down by name, up by `..`, where the inode must be the one
//! that was left. A directory is emptied once and remembered: whatever is in it later is this
//! layer's, so markers repeated by the thousand cost nothing (CVE-2026-95838).

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{self, AtFlags, FileType, Mode as Bits, RawDir};
use rustix::io::Errno;

use super::super::{ApplyError, Mtime, Privilege, TreePath};

use super::marks::Marks;
use super::open::{DIRECTORY, Parent, enter, restore};
use super::{TreeSink, failed};

/// Times that a directory which does not become empty is read again.
const RESCANS: u32 = 3;

impl TreeSink {
    /// Removes the directory `name` with all that is in it.
    pub(super) fn remove_tree(
        &mut self,
        parent: &Parent,
        name: &OsStr,
        path: &TreePath,
    ) -> Result<(), ApplyError> {
        self.dirs.forget(path);
        self.tree.needs_parent |= self.implied.gone(path);
        match fs::unlinkat(&parent.fd, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
            other => return other.map_err(failed("removing", path)),
        }
        let marks = None;
        let mut purge = Purge { marks, privilege: self.privilege, path: parent.path.clone() };
        let start = fs::openat(&parent.fd, ".", DIRECTORY, Bits::empty());
        let start = start.map_err(failed("removing", path))?;
        purge.run(start, vec![Child::whole(name)]).map_err(failed("removing", path))
    }

    /// Removes from a directory what this layer did not make.
    pub(super) fn empty(&mut self, dir: &Parent) -> Result<(), ApplyError> {
        if self.emptied.has(&dir.path) {
            return Ok(());
        }
        // Any directory below may go: none of them stays open.
        self.dirs.close_all()?;
        let dir = self.dirs.real(&dir.path).map_err(failed("opening", &dir.path))?;
        let marks = Some((&self.made, &mut self.emptied));
        let mut purge = Purge { marks, privilege: self.privilege, path: dir.path.clone() };
        let mut emptied = || -> Result<(), Errno> {
            let fd = fs::openat(&dir.fd, ".", DIRECTORY, Bits::empty())?;
            let children = purge.scan(&fd, false)?;
            purge.run(fd, children)
        };
        emptied().map_err(failed("emptying", &dir.path))?;
        self.tree.needs_parent |= self.implied.hollow_gone(&dir.path);
        Ok(())
    }
}

/// A directory still to be gone through.
struct Child {
    name: OsString,
    /// To be removed, not only emptied of what lower layers made.
    whole: bool,
    scans: u32,
}

impl Child {
    fn whole(name: &OsStr) -> Self {
        Self { name: name.to_owned(), whole: true, scans: 0 }
    }
}

/// A directory on the way down.
struct Level {
    inode: (u64, u64),
    children: Vec<Child>,
    /// Which one of its parent's it is; `None` at the top.
    of: Option<Child>,
    /// What to put back where it stays.
    mtime: Mtime,
    mode: Option<u32>,
}

struct Purge<'a> {
    /// What was made, and what has been emptied; `None` where all goes.
    marks: Option<(&'a Marks, &'a mut Marks)>,
    privilege: Privilege,
    path: TreePath,
}

impl Purge<'_> {
    /// Goes through `children` of the directory `fd`.
    fn run(&mut self, fd: OwnedFd, children: Vec<Child>) -> Result<(), Errno> {
        let mut fd = fd;
        let mut levels = vec![self.level(&fd, children, None, None)?];
        while let Some(level) = levels.last_mut() {
            if let Some(child) = level.children.pop() {
                let (below, mode) = self.open(&fd, &child.name)?;
                self.path.push(child.name.as_bytes());
                let mtime_first = self.level(&below, Vec::new(), None, mode)?;
                let children = self.scan(&below, child.whole)?;
                levels.push(Level { children, of: Some(child), ..mtime_first });
                fd = below;
                continue;
            }
            let done = levels.pop().expect("the loop's condition");
            let (Some(child), Some(above)) = (done.of.as_ref(), levels.last_mut()) else { break };
            let up = fs::openat(&fd, "..", DIRECTORY, Bits::empty())?;
            if inode(&up)? != above.inode {
                return Err(Errno::STALE);
            }
            self.path.pop();
            leave(&up, &fd, child, &done, above)?;
            fd = up;
        }
        Ok(())
    }

    fn level(
        &self,
        fd: &OwnedFd,
        children: Vec<Child>,
        of: Option<Child>,
        mode: Option<u32>,
    ) -> Result<Level, Errno> {
        let stat = fs::fstat(fd)?;
        let mtime = Mtime { secs: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 };
        Ok(Level { inode: (stat.st_dev, stat.st_ino), children, of, mtime, mode })
    }

    fn open(&self, at: &OwnedFd, name: &OsStr) -> Result<(OwnedFd, Option<u32>), Errno> {
        match self.privilege {
            Privilege::Root => Ok((fs::openat(at, name, DIRECTORY, Bits::empty())?, None)),
            Privilege::None => enter(at.as_fd(), name),
        }
    }

    /// Removes the files of a directory that are to go, and gives back its directories that must
    /// be gone through.
    fn scan(&mut self, fd: &OwnedFd, whole: bool) -> Result<Vec<Child>, Errno> {
        if let (false, Some((_, emptied))) = (whole, &mut self.marks) {
            emptied.add(&self.path);
        }
        let mut children = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        fs::seek(fd, fs::SeekFrom::Start(0))?;
        let mut entries = RawDir::new(fd, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let stat = fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
                kind = FileType::from_raw_mode(stat.st_mode);
            }
            let keep = !whole && self.keeps(name);
            match (kind, keep) {
                (FileType::Directory, true) if self.is_emptied(name) => {}
                (FileType::Directory, _) => {
                    let name = OsString::from_vec(name.as_bytes().to_vec());
                    children.push(Child { name, whole: !keep, scans: 0 });
                }
                (_, true) => {}
                (_, false) => fs::unlinkat(fd, name, AtFlags::empty())?,
            }
        }
        Ok(children)
    }

    /// Whether this layer made `name` of the directory that we are in, or something below it.
    fn keeps(&self, name: &OsStr) -> bool {
        let path = self.path.join(name.as_bytes());
        self.marks.as_ref().is_some_and(|(made, _)| made.has(&path))
    }

    fn is_emptied(&self, name: &OsStr) -> bool {
        let path = self.path.join(name.as_bytes());
        self.marks.as_ref().is_some_and(|(_, emptied)| emptied.has(&path))
    }
}

/// Removes a directory that was gone through, or puts it back as it was.
fn leave(
    up: &OwnedFd,
    fd: &OwnedFd,
    child: &Child,
    done: &Level,
    above: &mut Level,
) -> Result<(), Errno> {
    if !child.whole {
        if let Some(mode) = done.mode {
            fs::fchmod(fd, Bits::from_raw_mode(mode))?;
        }
        return fs::futimens(fd, &restore(done.mtime));
    }
    match fs::unlinkat(up, &child.name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) if child.scans < RESCANS => {
            let (name, scans) = (child.name.clone(), child.scans + 1);
            above.children.push(Child { name, whole: true, scans });
            Ok(())
        }
        other => other,
    }
}

fn inode(fd: &OwnedFd) -> Result<(u64, u64), Errno> {
    let stat = fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}
