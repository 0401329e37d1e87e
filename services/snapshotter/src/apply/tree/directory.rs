//! Directories: made, or given new attributes with their contents left in place.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self, Mode as Bits};
use rustix::io::Errno;

use super::super::{ApplyError, Entry, Privilege, TreePath};
use super::attrs::{DEFAULT_ACL, bits, times};
use super::open::{DIRECTORY, Final, Parent};
use super::{TreeSink, failed, is_dir};

impl TreeSink {
    pub(super) fn directory(&mut self, entry: &Entry) -> Result<(), ApplyError> {
        if entry.path.is_root() {
            self.root_described = true;
            return self.redress(&TreePath::root(), entry);
        }
        let parent = self.parent(&entry.path)?;
        let name = entry.path.name();
        let path = parent.path.join(name.as_encoded_bytes());
        // Through a link it is longer than its name, and nobody could open it.
        if path.as_bytes().len() > self.limits.path {
            return Err(ApplyError::refused(&entry.path, "its real path is too long"));
        }
        let unset = if self.privilege == Privilege::None { 0o700 } else { 0 };
        let mode = bits(entry.mode & 0o777 | unset);
        let mut hidden = false;
        match fs::mkdirat(&parent.fd, name, mode) {
            Err(Errno::EXIST) if is_dir(&parent, name) => {
                self.placed(&parent, entry);
                self.implied.described(&path);
                return self.redress(&path, entry);
            }
            Err(Errno::EXIST) => {
                self.displace(&parent, name)?;
                fs::mkdirat(&parent.fd, name, mode).map_err(failed("making", &path))?;
                hidden = true;
            }
            made => made.map_err(failed("making", &path))?,
        }
        self.count(4096)?;
        self.placed(&parent, entry);
        let made = self.dress_new_dir(&parent, entry, &path)?;
        // What was here before, a whiteout or a file, hid the directory of the layers below.
        if hidden && self.is_overlay() { self.set_opaque(&made) } else { Ok(()) }
    }

    fn dress_new_dir(
        &mut self,
        parent: &Parent,
        entry: &Entry,
        path: &TreePath,
    ) -> Result<Parent, ApplyError> {
        let fd = self.open_made(parent, entry.path.name(), path)?;
        let last = self.last(entry);
        if self.privilege == Privilege::Root {
            self.own(parent, fd.as_fd(), entry)?;
        } else {
            self.record_owner(fd.as_fd(), entry);
        }
        self.xattrs(fd.as_fd(), entry)?;
        if self.privilege == Privilege::None && last.mode.is_none() {
            self.chmod(fd.as_fd(), entry)?;
        }
        let setgid = entry.mode & 0o2000 != 0;
        let made = Parent { fd: fd.into(), path: path.clone(), setgid };
        self.dirs.insert(made, last).map_err(failed("opening", path))
    }

    /// What an entry's directory must have when it is closed.
    fn last(&mut self, entry: &Entry) -> Final {
        let acl = entry.xattrs.iter().find(|xattr| xattr.name == DEFAULT_ACL);
        self.dirs.default_acls |= acl.is_some();
        let tight = self.privilege == Privilege::None && entry.mode & 0o700 != 0o700;
        Final {
            times: Some(times(entry)),
            mode: tight.then(|| bits(entry.mode)),
            default_acl: acl.map(|acl| acl.value.clone()),
        }
    }

    /// Gives a directory that is there what an entry says of it; what is in it stays.
    pub(super) fn redress(&mut self, path: &TreePath, entry: &Entry) -> Result<(), ApplyError> {
        let dir = self.dirs.real(path).map_err(failed("opening", path))?;
        let fd = dir.fd.as_fd();
        self.clear_xattrs(fd, entry)?;
        if self.privilege == Privilege::Root {
            self.chown(fd, entry)?;
        } else {
            let _ = fs::fremovexattr(fd, "user.rootlesscontainers");
            self.record_owner(fd, entry);
        }
        let last = self.last(entry);
        let mode = if last.mode.is_some() { entry.mode | 0o700 } else { entry.mode };
        fs::fchmod(fd, bits(mode)).map_err(failed("setting the mode of", path))?;
        self.xattrs(fd, entry)?;
        self.dirs.describe(path, last, entry.mode & 0o2000 != 0);
        Ok(())
    }

    pub(super) fn open_made(
        &self,
        parent: &Parent,
        name: &OsStr,
        path: &TreePath,
    ) -> Result<OwnedFd, ApplyError> {
        fs::openat(&parent.fd, name, DIRECTORY, Bits::empty()).map_err(failed("opening", path))
    }
}
