//! The disk itself: one file of a FUSE file system, a loop device on it, and ext4 on that. Needs root.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    Generation, INodeNo, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry,
    ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use tempfile::TempDir;

use super::log::Log;
use crate::command::text;

const NAME: &str = "disk";
const FILE: INodeNo = INodeNo(2);
const FOREVER: Duration = Duration::from_secs(3600);

/// A disk that is mounted somewhere, and remembers.
pub struct Disk {
    pub log: Arc<Log>,
    // In the order in which they have to go.
    mounted: Option<Mounted>,
    fuse: Option<BackgroundSession>,
    _dir: TempDir,
}

impl Disk {
    /// A new file system of `size` bytes at `place`.
    pub fn at(place: &Path, size: u64) -> Result<Self> {
        let log = Arc::new(Log::new(size)?);
        let dir = tempfile::tempdir()?;
        let fuse = fuser::spawn_mount(Server(log.clone()), dir.path(), &Config::default());
        let fuse = Some(fuse.context("a FUSE file system cannot be mounted")?);
        let mut disk = Self { log, mounted: None, fuse, _dir: dir };
        let file = disk._dir.path().join(NAME);
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-E", "nodiscard"]).arg(&file))?;
        disk.mounted = Some(Mounted::new(&file, place)?);
        Ok(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.mounted = None;
        if let Some(fuse) = self.fuse.take() {
            let _ = fuse.umount_and_join();
        }
    }
}

/// An image of a disk, mounted as long as this lives.
pub struct Mounted(PathBuf);

impl Mounted {
    pub fn new(image: &Path, place: &Path) -> Result<Self> {
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(image).arg(place))?;
        Ok(Self(place.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    Ok(())
}

/// A directory with one file.
struct Server(Arc<Log>);

impl Server {
    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let (size, kind) = match inode {
            FILE => (self.0.size(), FileType::RegularFile),
            _ => (0, FileType::Directory),
        };
        FileAttr {
            ino: inode,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            flags: 0,
            blksize: 4096,
        }
    }
}

impl Filesystem for Server {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name == NAME {
            true => reply.entry(&FOREVER, &self.attributes(FILE), Generation(0)),
            false => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOREVER, &self.attributes(inode));
    }

    /// Its size and its owner stay what they are.
    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.attr(&FOREVER, &self.attributes(inode));
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let left = self.0.size().saturating_sub(offset).min(u64::from(size));
        let mut buffer = vec![0; usize::try_from(left).unwrap_or(0)];
        match self.0.read(offset, &mut buffer) {
            Ok(()) => reply.data(&buffer),
            Err(_) => reply.error(Errno::EIO),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match (self.0.write(offset, data), u32::try_from(data.len())) {
            (Ok(()), Ok(len)) => reply.written(len),
            _ => reply.error(Errno::EIO),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.flush();
        reply.ok();
    }
}
