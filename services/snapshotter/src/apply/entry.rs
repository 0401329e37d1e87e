//! A checked entry: what a sink is given.

use std::ffi::OsString;

use super::TreePath;

/// One thing that a layer says about its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// For a whiteout the name that is removed, for an opaque marker the directory.
    pub path: TreePath,
    pub kind: Kind,
    /// The low twelve bits: permissions, setuid, setgid, sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Mtime,
    /// Without those that are reserved to overlays.
    pub xattrs: Vec<Xattr>,
    /// Where the body begins in the uncompressed stream.
    pub offset: u64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File {
        /// Logical size in bytes, holes included.
        size: u64,
        /// The extents that have data, ascending; `None` where all of it is data.
        sparse: Option<Vec<Extent>>,
    },
    /// The target as written, never interpreted here.
    Symlink(OsString),
    /// The other name of the same file, from the root.
    HardLink(TreePath),
    Char(Device),
    Block(Device),
    Fifo,
    /// The path is removed from the layers below.
    Whiteout,
    /// All that the layers below have in this directory is removed.
    Opaque,
}

/// A stretch of data in a sparse file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub offset: u64,
    pub len: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    pub major: u32,
    pub minor: u32,
}

/// Seconds and nanoseconds since 1970; before it the seconds are negative, the nanoseconds never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mtime {
    pub secs: i64,
    pub nanos: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// With its namespace, `user.x`.
    pub name: OsString,
    pub value: Vec<u8>,
}
