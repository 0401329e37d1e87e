//! Extended attributes as a layer says them: all but those that are this machine's, or an overlay's.

use std::path::Path;

use rustix::io::Errno;

use super::error::failed;
use super::{DiffError, TreePath};
use crate::apply::Limits;
use crate::tree::{privileged, read_xattr, split};

/// Labels and hashes that the security modules of this machine keep.
const OF_THE_MACHINE: [&[u8]; 3] = [b"security.selinux", b"security.evm", b"system.nfs4_acl"];

/// What a program may do beyond its user.
pub(super) const CAPABILITIES: &[u8] = b"security.capability";

/// Where the owner of a file stands that could not be given to it (as umoci does).
const OWNER_RECORD: &[u8] = b"user.rootlesscontainers";

/// One attribute. An ACL is one too, and a file's capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Xattr {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// Those of what is at `proc`, which `path` names to people, sorted by name.
pub(super) fn read(proc: &Path, path: &TreePath, limits: &Limits) -> Result<Vec<Xattr>, DiffError> {
    let names = match read_xattr(|buffer| rustix::fs::llistxattr(proc, buffer)) {
        Err(Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => return Ok(Vec::new()),
        names => split(&names.map_err(failed("listing the xattrs of", path))?),
    };
    if names.len() > limits.xattrs {
        return Err(DiffError::limit(format!("more xattrs of {path:?}"), limits.xattrs as u64));
    }
    let (mut all, mut sum) = (Vec::new(), 0);
    for name in names.iter().filter(|name| !OF_THE_MACHINE.contains(&name.to_bytes())) {
        let value = match read_xattr(|buffer| rustix::fs::lgetxattr(proc, name, buffer)) {
            // It was removed since it was listed.
            Err(Errno::NODATA) => continue,
            value => value.map_err(failed("reading an xattr of", path))?,
        };
        sum += (name.count_bytes() + value.len()) as u64;
        if sum > limits.extension {
            return Err(DiffError::limit(format!("larger xattrs of {path:?}"), limits.extension));
        }
        all.push(Xattr { name: name.to_bytes().to_vec(), value });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The owner that a file has for a layer. Without root, all that this process made is its own: then
/// the owner is the one that was recorded, which goes from the attributes, or else root.
pub(super) fn owner(xattrs: &mut Vec<Xattr>, uid: u32, gid: u32) -> (u32, u32) {
    let at = xattrs.iter().position(|xattr| xattr.name == OWNER_RECORD);
    let recorded = at.map(|at| xattrs.remove(at).value);
    if privileged() {
        return (uid, gid);
    }
    match recorded.and_then(|record| parse_owner(&record)) {
        Some(owner) => owner,
        None => {
            let (own, group) = (rustix::process::geteuid(), rustix::process::getegid());
            let of_root = |id: u32, own: u32| if id == own { 0 } else { id };
            (of_root(uid, own.as_raw()), of_root(gid, group.as_raw()))
        }
    }
}

/// `message Resource { uint32 uid = 1; uint32 gid = 2; }`, zeros left out.
fn parse_owner(record: &[u8]) -> Option<(u32, u32)> {
    let (mut uid, mut gid) = (0, 0);
    let mut rest = record.iter();
    while let Some(tag) = rest.next() {
        let mut id = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = rest.next()?;
            id |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        match tag {
            0x08 => uid = u32::try_from(id).ok()?,
            0x10 => gid = u32::try_from(id).ok()?,
            _ => return None,
        }
    }
    Some((uid, gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_owner_is_read_as_it_was_written() {
        assert_eq!(parse_owner(&[]), Some((0, 0)));
        assert_eq!(parse_owner(&[0x08, 0xe8, 0x07, 0x10, 5]), Some((1000, 5)));
        assert_eq!(parse_owner(&[0x10, 0xff, 0xff, 0xff, 0xff, 0x0f]), Some((0, u32::MAX)));
        assert_eq!(parse_owner(&[0x08, 0xe8]), None);
    }
}
