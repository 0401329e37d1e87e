//! A file's bytes, from the buffers that the inflating thread filled to the disk.

use std::io::BufRead;
use std::os::fd::OwnedFd;

use rustix::fs;
use rustix::io::Errno;

use super::super::{ApplyError, Extent, TreePath};
use super::failed;
use super::room::Room;

/// What a file system gives a file at a time.
pub(super) const BLOCK: u64 = 4096;

/// Writes all of `body`: from the buffers that the inflating thread filled, with no copy between.
pub(super) fn copy(
    body: &mut dyn BufRead,
    fd: &OwnedFd,
    path: &TreePath,
    room: &mut Room,
) -> Result<u64, ApplyError> {
    // What it takes at the least.
    room.spend(BLOCK, fd)?;
    let mut total = 0;
    loop {
        let bytes = body.fill_buf().map_err(ApplyError::body)?;
        if bytes.is_empty() {
            return Ok(total);
        }
        room.spend(bytes.len() as u64, fd)?;
        let written = write(|| rustix::io::write(fd, bytes), path)?;
        body.consume(written);
        total += written as u64;
    }
}

/// Blocks of 4 KiB that hold these extents on the disk, which ascend: two in one block share it.
pub(super) fn blocks(extents: &[Extent]) -> u64 {
    let mut end = 0;
    let mut blocks = 0;
    for extent in extents {
        let first = (extent.offset / BLOCK).max(end);
        end = (extent.offset + extent.len).div_ceil(BLOCK);
        blocks += end - first;
    }
    blocks
}

/// Writes the extents at their places; the rest of `size` stays a hole.
pub(super) fn copy_sparse(
    body: &mut dyn BufRead,
    fd: &OwnedFd,
    size: u64,
    extents: &[Extent],
    path: &TreePath,
    room: &mut Room,
) -> Result<(), ApplyError> {
    for extent in extents {
        // A block, however little of it is filled.
        room.spend(BLOCK, fd)?;
        let (mut at, end) = (extent.offset, extent.offset + extent.len);
        while at < end {
            let bytes = body.fill_buf().map_err(ApplyError::body)?;
            let len = bytes.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            if len == 0 {
                return Err(ApplyError::refused(path, "its sparse map has more than its body"));
            }
            room.spend(len as u64, fd)?;
            let written = write(|| rustix::io::pwrite(fd, &bytes[..len], at), path)?;
            body.consume(written);
            at += written as u64;
        }
    }
    fs::ftruncate(fd, size).map_err(failed("making the hole in", path))
}

/// One write, begun again where a signal came.
fn write(
    mut call: impl FnMut() -> Result<usize, Errno>,
    path: &TreePath,
) -> Result<usize, ApplyError> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other.map_err(failed("writing", path)),
        }
    }
}
