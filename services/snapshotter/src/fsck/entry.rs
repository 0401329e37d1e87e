//! One entry of a layer beside what a tree has in its place.

use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{FileType, Mode as Bits, OFlags, Stat, makedev, openat, readlinkat};
use rustix::io::Errno;
use varve_core::Result;

use super::beside::fill;
use super::facts::{Xattrs, kind};
use crate::apply::{ApplyError, Device, Entry, Kind, Xattr};

const CHUNK: usize = 64 << 10;

/// What is odd, or could not be looked at.
pub(super) enum Odd {
    Differs,
    Body(ApplyError),
}

impl From<Errno> for Odd {
    fn from(_: Errno) -> Self {
        Self::Differs
    }
}

pub(super) fn same(yes: bool) -> Result<(), Odd> {
    if yes { Ok(()) } else { Err(Odd::Differs) }
}

/// Owner, mode and times.
pub(super) fn dressed(entry: &Entry, stat: &Stat) -> Result<(), Odd> {
    same((stat.st_uid, stat.st_gid) == (entry.uid, entry.gid))?;
    let link = matches!(entry.kind, Kind::Symlink(_));
    same(link || stat.st_mode & 0o7777 == entry.mode & 0o7777)?;
    let time = (stat.st_mtime, u64::from(stat.st_mtime_nsec as u32));
    same(time == (entry.mtime.secs, u64::from(entry.mtime.nanos)))
}

pub(super) fn wanted(entry: &Entry) -> Xattrs {
    let pair = |xattr: &Xattr| (xattr.name.as_bytes().to_vec(), xattr.value.clone());
    entry.xattrs.iter().map(pair).collect()
}

/// What the entry is, and what is in it.
pub(super) fn content(
    entry: &Entry,
    stat: &Stat,
    dir: &OwnedFd,
    name: &Path,
    body: &mut dyn BufRead,
) -> Result<(), Odd> {
    let device = |wanted: FileType, device: &Device| {
        let number = makedev(device.major, device.minor);
        same(kind(stat) == wanted && stat.st_rdev == number && number != 0)
    };
    match &entry.kind {
        Kind::Directory => same(kind(stat) == FileType::Directory),
        Kind::File { size, sparse: None } => {
            same(kind(stat) == FileType::RegularFile && stat.st_size as u64 == *size)?;
            bytes(dir, name, body)
        }
        Kind::Symlink(target) => {
            same(kind(stat) == FileType::Symlink)?;
            same(readlinkat(dir, name, Vec::new())?.as_bytes() == target.as_bytes())
        }
        Kind::Char(of) => device(FileType::CharacterDevice, of),
        Kind::Block(of) => device(FileType::BlockDevice, of),
        Kind::Fifo => same(kind(stat) == FileType::Fifo),
        _ => Err(Odd::Differs),
    }
}

/// Whether a file has the body's bytes and no more.
fn bytes(dir: &OwnedFd, name: &Path, body: &mut dyn BufRead) -> Result<(), Odd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, name, flags, Bits::empty())?;
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    loop {
        let wanted = body.fill_buf().map_err(|error| Odd::Body(ApplyError::body(error)))?;
        let len = wanted.len().min(CHUNK);
        if len == 0 {
            return same(fill(&file, &mut buffer[..1], at)? == 0);
        }
        let read = fill(&file, &mut buffer[..len], at)?;
        same(buffer[..read] == wanted[..len])?;
        body.consume(len);
        at += len as u64;
    }
}
