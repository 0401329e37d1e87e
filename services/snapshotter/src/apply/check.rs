//! From what an archive says to what a sink may be told.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::tar::Member;
use super::{ApplyError, Entry, Kind, Limits, Notices, Subject, TreePath, Xattr};

/// Prefix of a whiteout (image-spec, layer.md, *Whiteouts*).
const WHITEOUT: &[u8] = b".wh.";
/// Prefix of what AUFS keeps for itself.
const AUFS: &[u8] = b".wh..wh.";
/// The opaque marker.
const OPAQUE: &[u8] = b".wh..wh..opq";

/// Checks members one by one.
pub(super) struct Checker<'a> {
    limits: &'a Limits,
    pub(super) notices: Notices,
}

impl<'a> Checker<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, notices: Notices::default() }
    }

    /// The entry that `member` is; `None` for one that is skipped.
    pub(super) fn check(&mut self, member: Member) -> Result<Option<Entry>, ApplyError> {
        let path = self.clean(&member.name, &member.name)?;
        let bytes = |name: &std::ffi::OsStr| name.as_encoded_bytes().to_vec();
        if path.components().any(|part| is_aufs(part.as_encoded_bytes())) {
            self.notices.add(Subject::Aufs, &path);
            return Ok(None);
        }
        let name = bytes(path.name());
        if name == OPAQUE {
            return self.entry(member, path.parent(), Kind::Opaque).map(Some);
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if matches!(hidden, b"" | b"." | b"..") {
                return Err(ApplyError::refused(&path, "it is a whiteout of no name"));
            }
            return self.entry(member, path.parent().join(hidden), Kind::Whiteout).map(Some);
        }
        let kind = self.kind(&member, &path)?;
        self.entry(member, path, kind).map(Some)
    }

    fn clean(&self, name: &[u8], of: &[u8]) -> Result<TreePath, ApplyError> {
        TreePath::clean(name, self.limits).map_err(|why| {
            let shown = &of[..of.len().min(200)];
            let why = format!("{why} ({:?})", String::from_utf8_lossy(shown));
            ApplyError::Refused { path: TreePath::root(), why }
        })
    }

    fn kind(&self, member: &Member, path: &TreePath) -> Result<Kind, ApplyError> {
        let kind = match member.flag {
            0 | b'0' | b'7' | b'S' => self.file(member, path)?,
            b'1' => Kind::HardLink(self.target(member, path)?),
            b'2' => Kind::Symlink(self.symlink(member, path)?),
            b'3' => Kind::Char(member.device),
            b'4' => Kind::Block(member.device),
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            flag => {
                let why = format!("its type is {:?}, which no layer has", char::from(flag));
                return Err(ApplyError::refused(path, why));
            }
        };
        if path.is_root() && kind != Kind::Directory {
            return Err(ApplyError::refused(path, "the root must be a directory"));
        }
        Ok(kind)
    }

    fn file(&self, member: &Member, path: &TreePath) -> Result<Kind, ApplyError> {
        if member.size > self.limits.total_bytes.min(i64::MAX as u64) {
            return Err(ApplyError::limit(
                "total_bytes",
                format!("a file of {} bytes, {path:?}", member.size),
                self.limits.total_bytes,
            ));
        }
        Ok(Kind::File { size: member.size, sparse: member.sparse.clone() })
    }

    fn target(&self, member: &Member, path: &TreePath) -> Result<TreePath, ApplyError> {
        let target = self.clean(&member.link, &member.name)?;
        if target.is_root() {
            return Err(ApplyError::refused(path, "it is a hard link to the root directory"));
        }
        if &target == path {
            return Err(ApplyError::refused(path, "it is a hard link to itself"));
        }
        Ok(target)
    }

    fn symlink(&self, member: &Member, path: &TreePath) -> Result<OsString, ApplyError> {
        let most = self.limits.path;
        if member.link.is_empty() || member.link.len() > most {
            let why = format!("its link target is empty, or longer than {most} bytes");
            return Err(ApplyError::refused(path, why));
        }
        Ok(OsString::from_vec(member.link.clone()))
    }

    fn entry(&mut self, member: Member, path: TreePath, kind: Kind) -> Result<Entry, ApplyError> {
        let owner = |id: i64, what| match u32::try_from(id) {
            Ok(id) if id != u32::MAX => Ok(id),
            _ => Err(ApplyError::refused(&path, format!("its {what} is {id}"))),
        };
        Ok(Entry {
            uid: owner(member.uid, "uid")?,
            gid: owner(member.gid, "gid")?,
            mode: (member.mode & 0o7777) as u32,
            mtime: member.mtime,
            xattrs: self.xattrs(member.xattrs, &path),
            offset: member.offset,
            kind,
            path,
        })
    }

    /// Without those that an overlay would obey, our own record of owners, and those that belong
    /// to the host an image was built on.
    fn xattrs(&mut self, mut xattrs: Vec<Xattr>, path: &TreePath) -> Vec<Xattr> {
        xattrs.retain(|xattr| {
            let subject = match xattr.name.as_encoded_bytes() {
                name if is_reserved(name) => Subject::ForgedXattr,
                b"security.selinux" | b"system.nfs4_acl" => Subject::Xattr,
                _ => return true,
            };
            self.notices.add(subject, path);
            false
        });
        xattrs
    }
}

fn is_aufs(name: &[u8]) -> bool {
    name.starts_with(AUFS) && name != OPAQUE
}

/// Attributes that no archive may set.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.")
        || name.starts_with(b"user.overlay.")
        || name == b"user.rootlesscontainers"
}
