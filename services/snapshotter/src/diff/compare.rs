//! Whether a file of one tree is the same in the other.
//!
//! Content is read wherever size and times are the same: a file can be given the time that it had, and
//! most layers know whole seconds only. It is not read where both trees have the very same file (the
//! same inode of the same device), nor where a stack says that nothing was written (see `hints`).

use std::os::fd::OwnedFd;

use rustix::fs::FileType;

use super::error::failed;
use super::view::Node;
use super::{DiffError, Rules, TreePath, View};

/// Bytes that are read of either file at a time.
const CHUNK: usize = 128 << 10;

/// One path in both trees.
pub(super) struct Pair<'a> {
    pub path: &'a TreePath,
    pub lower: &'a Node,
    pub upper: &'a Node,
}

impl Pair<'_> {
    /// Whether a layer would say the same of both; the content of directories is not looked at.
    pub fn is_same(
        &self,
        lower: &mut View,
        upper: &mut View,
        rules: &Rules,
    ) -> Result<bool, DiffError> {
        if self.lower.inode == self.upper.inode {
            return Ok(true);
        }
        if !self.looks_same() || lower.xattrs(self.path)? != upper.xattrs(self.path)? {
            return Ok(false);
        }
        match self.upper.kind {
            FileType::Symlink => Ok(lower.target(self.path)? == upper.target(self.path)?),
            FileType::RegularFile if self.upper.size > 0 => {
                let (below, _) = lower.open(self.path, self.lower)?;
                let (above, _) = upper.open(self.path, self.upper)?;
                self.is_same_content(&below, &above, rules)
            }
            _ => Ok(true),
        }
    }

    fn looks_same(&self) -> bool {
        let said = |node: &Node| {
            (node.kind, node.mode, node.uid, node.gid, node.size, node.mtime, node.device)
        };
        said(self.lower) == said(self.upper)
    }

    fn is_same_content(
        &self,
        lower: &OwnedFd,
        upper: &OwnedFd,
        rules: &Rules,
    ) -> Result<bool, DiffError> {
        let (mut below, mut above) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut at = 0;
        while at < self.upper.size {
            rules.check()?;
            let read = |file, buffer: &mut [u8]| {
                fill(file, buffer, at).map_err(failed("reading", self.path))
            };
            let (low, high) = (read(lower, &mut below)?, read(upper, &mut above)?);
            if below[..low] != above[..high] {
                return Ok(false);
            }
            if low == 0 {
                break;
            }
            at += low as u64;
        }
        Ok(true)
    }
}

/// Reads until the buffer is full, or the file ends; answers how much that was.
pub(super) fn fill(file: &OwnedFd, buffer: &mut [u8], at: u64) -> Result<usize, rustix::io::Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::pread(file, &mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(filled)
}
