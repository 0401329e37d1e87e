//! Owners, modes, xattrs and times, set on descriptors or on a name that is not followed.
//!
//! In this order: chown (which clears setuid and file capabilities), chmod, xattrs, times. What the
//! file already has from its making is not set again: that is half of a small file's cost.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{self, AtFlags, FileType, Gid, Mode as Bits, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::super::check::is_reserved;
use super::super::{ApplyError, Entry, Privilege, Subject, TreePath};
use super::open::{Parent, timespec};
use super::{TreeSink, failed};

/// Where owners are recorded that cannot be set (rootlesscontainers-proto).
const OWNER_RECORD: &str = "user.rootlesscontainers";
/// A default ACL would be inherited by what is made inside: it is set when the directory closes.
pub(super) const DEFAULT_ACL: &str = "system.posix_acl_default";

/// Who makes files, and what the umask takes from their modes.
pub(super) struct Maker {
    uid: u32,
    gid: u32,
    umask: u32,
}

impl Maker {
    /// This process, its umask as /proc tells it (asking the kernel would change it for all
    /// threads); without /proc every mode is set.
    pub(super) fn current() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let umask = umask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok());
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Self { uid: uid.as_raw(), gid: gid.as_raw(), umask: umask.unwrap_or(0o777) }
    }

    /// Whether making a file with `mode` gives it just that mode.
    pub(super) fn gives(&self, mode: u32) -> bool {
        mode & (self.umask | 0o7000) == 0
    }

    /// Whether what it makes in `parent` has the entry's owner.
    fn owns(&self, parent: &Parent, entry: &Entry) -> bool {
        !parent.setgid && (self.uid, self.gid) == (entry.uid, entry.gid)
    }
}

/// Both times are the entry's.
pub(super) fn times(entry: &Entry) -> Timestamps {
    let time = timespec(entry.mtime);
    Timestamps { last_access: time, last_modification: time }
}

/// A mode's twelve bits.
pub(super) fn bits(mode: u32) -> Bits {
    Bits::from_raw_mode(mode & 0o7777)
}

impl TreeSink {
    /// The owner and mode of a file or directory that was just made in `parent`.
    pub(super) fn own(
        &mut self,
        parent: &Parent,
        fd: BorrowedFd<'_>,
        entry: &Entry,
    ) -> Result<(), ApplyError> {
        let owned = self.maker.owns(parent, entry) || self.privilege == Privilege::None;
        if !owned {
            self.chown(fd, entry)?;
        }
        if parent.setgid || !self.maker.gives(entry.mode) {
            self.chmod(fd, entry)?;
        }
        Ok(())
    }

    pub(super) fn chown(&self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<(), ApplyError> {
        let (uid, gid) = owner(entry);
        fs::fchown(fd, uid, gid).map_err(failed("setting the owner of", &entry.path))
    }

    pub(super) fn chmod(&self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<(), ApplyError> {
        fs::fchmod(fd, bits(entry.mode)).map_err(failed("setting the mode of", &entry.path))
    }

    /// Records the owner of a file or directory where it cannot be set.
    pub(super) fn record_owner(&mut self, fd: BorrowedFd<'_>, entry: &Entry) {
        if self.privilege == Privilege::Root || (entry.uid, entry.gid) == (0, 0) {
            return;
        }
        let record = owner_record(entry.uid, entry.gid);
        if fs::fsetxattr(fd, OWNER_RECORD, &record, XattrFlags::empty()).is_err() {
            self.tree.notices.add(Subject::Owner, &entry.path);
        }
    }

    /// The xattrs of a file or directory.
    pub(super) fn xattrs(&mut self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<(), ApplyError> {
        let regular = true;
        for xattr in entry.xattrs.iter().filter(|xattr| xattr.name != DEFAULT_ACL) {
            let set = fs::fsetxattr(fd, &xattr.name, &xattr.value, XattrFlags::empty());
            self.xattr_was_set(set, &xattr.name, regular, &entry.path)?;
        }
        Ok(())
    }

    /// The xattrs of a link or special file, which cannot be opened.
    fn xattrs_at(&mut self, parent: &Parent, entry: &Entry) -> Result<(), ApplyError> {
        if entry.xattrs.is_empty() {
            return Ok(());
        }
        // The magic link leads to the directory, and the name in it is not followed.
        let mut path = std::path::PathBuf::from(format!("/proc/self/fd/{}", parent.fd.as_raw_fd()));
        path.push(entry.path.name());
        for xattr in &entry.xattrs {
            let set = fs::lsetxattr(&path, &xattr.name, &xattr.value, XattrFlags::empty());
            self.xattr_was_set(set, &xattr.name, false, &entry.path)?;
        }
        Ok(())
    }

    /// Root must be able to set what can be set at all; others do what they may.
    fn xattr_was_set(
        &mut self,
        set: Result<(), Errno>,
        name: &OsStr,
        regular: bool,
        path: &TreePath,
    ) -> Result<(), ApplyError> {
        let never = !regular && name.as_encoded_bytes().starts_with(b"user.");
        match set {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP) => {}
            Err(Errno::PERM) if never => {}
            Err(Errno::PERM | Errno::ACCESS | Errno::INVAL)
                if self.privilege == Privilege::None => {}
            Err(errno) => return Err(failed("setting an xattr of", path)(errno)),
        }
        self.tree.notices.add(Subject::Xattr, path);
        Ok(())
    }

    /// All of a link's or special file's attributes but its kind.
    pub(super) fn dress_at(&mut self, parent: &Parent, entry: &Entry) -> Result<(), ApplyError> {
        let name = entry.path.name();
        if self.privilege == Privilege::None {
            if (entry.uid, entry.gid) != (0, 0) {
                self.tree.notices.add(Subject::Owner, &entry.path);
            }
        } else if !self.maker.owns(parent, entry) {
            let (uid, gid) = owner(entry);
            fs::chownat(&parent.fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(failed("setting the owner of", &entry.path))?;
        }
        self.xattrs_at(parent, entry)?;
        fs::utimensat(&parent.fd, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed("setting the times of", &entry.path))
    }

    /// The mode of a special file, through a descriptor that opens nothing.
    pub(super) fn chmod_at(&self, parent: &Parent, entry: &Entry) -> Result<(), ApplyError> {
        let flags = fs::OFlags::PATH | fs::OFlags::NOFOLLOW | fs::OFlags::CLOEXEC;
        let set = || {
            let fd = fs::openat(&parent.fd, entry.path.name(), flags, Bits::empty())?;
            fs::chmod(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()), bits(entry.mode))
        };
        set().map_err(failed("setting the mode of", &entry.path))
    }

    /// Removes the xattrs that a directory of a lower layer has and the entry does not.
    pub(super) fn clear_xattrs(&self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<(), ApplyError> {
        for name in list_xattrs(fd).map_err(failed("listing the xattrs of", &entry.path))? {
            let ours = is_reserved(&name) || name.starts_with(b"security.selinux");
            if ours || entry.xattrs.iter().any(|xattr| xattr.name.as_encoded_bytes() == name) {
                continue;
            }
            match fs::fremovexattr(fd, &name[..]) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(Errno::PERM | Errno::ACCESS) if self.privilege == Privilege::None => {}
                Err(errno) => return Err(failed("removing an xattr of", &entry.path)(errno)),
            }
        }
        Ok(())
    }
}

fn list_xattrs(fd: BorrowedFd<'_>) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::with_capacity(64 << 10);
    match fs::flistxattr(fd, rustix::buffer::spare_capacity(&mut names)) {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other?,
    };
    Ok(names.split(|&byte| byte == 0).filter(|n| !n.is_empty()).map(<[u8]>::to_vec).collect())
}

fn owner(entry: &Entry) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
}

/// `message Resource { uint32 uid = 1; uint32 gid = 2; }`, zeros left out.
fn owner_record(uid: u32, gid: u32) -> Vec<u8> {
    let mut record = Vec::new();
    for (tag, mut id) in [(0x08, uid), (0x10, gid)] {
        if id == 0 {
            continue;
        }
        record.push(tag);
        while id >= 0x80 {
            record.push(id as u8 | 0x80);
            id >>= 7;
        }
        record.push(id as u8);
    }
    record
}

/// Whether an overlay would take such a device for a whiteout.
pub(super) fn hides(kind: FileType, device: Option<super::super::Device>) -> bool {
    kind == FileType::CharacterDevice && device.is_some_and(|d| (d.major, d.minor) == (0, 0))
}
