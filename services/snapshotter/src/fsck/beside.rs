//! Two trees of one layer: all that tells one from the other.
//!
//! Read directory by directory, with two of them open; what is held is the names on the way and, of files
//! with several names, the first.

use std::collections::{BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, Stat, openat, readlinkat};
use rustix::io::Errno;
use varve_core::{Error, Result, Timestamp};

use super::facts::{is_opaque, is_whiteout, kind, look, xattrs};
use crate::tree::{DIR_FLAGS, names, open_below, privileged};

/// Differences that are told.
const MOST: usize = 16;
const CHUNK: usize = 128 << 10;

/// The first names of files that have several.
type Firsts = HashMap<(u64, u64), PathBuf>;

/// What differs in the tree `ours` from `theirs`. Directories that both have a time `since` then have it
/// from no archive: nothing but when they were laid down. None where they are the same; only that where `ours` is not there.
pub(super) fn differences(ours: &Path, theirs: &Path, since: Timestamp) -> Result<Vec<String>> {
    let open = |path: &Path| openat(CWD, path, DIR_FLAGS, Mode::empty());
    let ours_root = match open(ours) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(vec!["the tree is not there".into()]),
        opened => opened.map_err(failed(Path::new("/")))?,
    };
    let theirs_root = open(theirs).map_err(failed(Path::new("/")))?;
    let firsts = (Firsts::new(), Firsts::new());
    let mut pair = Pair { ours: ours_root, theirs: theirs_root, since, firsts, found: Vec::new() };
    pair.all()?;
    Ok(pair.found)
}

struct Pair {
    ours: OwnedFd,
    theirs: OwnedFd,
    since: Timestamp,
    firsts: (Firsts, Firsts),
    found: Vec<String>,
}

impl Pair {
    fn all(&mut self) -> Result<()> {
        let root = PathBuf::from(".");
        self.root().map_err(failed(&root))?;
        let mut next = vec![root];
        while let Some(dir) = next.pop() {
            if self.found.len() >= MOST {
                break;
            }
            next.extend(self.directory(&dir).map_err(failed(&dir))?);
        }
        self.found.truncate(MOST);
        Ok(())
    }

    fn root(&mut self) -> Result<(), Errno> {
        let dot = Path::new(".");
        let (Some(ours), Some(theirs)) = (look(&self.ours, dot)?, look(&self.theirs, dot)?) else {
            return Ok(());
        };
        if let Some(what) = self.attributes(&ours, &theirs) {
            self.tell(dot, what);
        } else if xattrs(&self.ours, dot)? != xattrs(&self.theirs, dot)? {
            self.tell(dot, "its extended attributes differ");
        }
        Ok(())
    }

    /// Compares what is in a directory of both, and answers the directories in it.
    fn directory(&mut self, dir: &Path) -> Result<Vec<PathBuf>, Errno> {
        let (ours, theirs) = (open_below(&self.ours, dir), open_below(&self.theirs, dir)?);
        let ours = match ours {
            Err(Errno::ACCESS) if !privileged() => return Ok(Vec::new()),
            ours => ours?,
        };
        let (here, there) = (names(&ours)?, names(&theirs)?);
        let all: BTreeSet<PathBuf> = here.into_iter().chain(there).collect();
        let mut below = Vec::new();
        for name in all {
            let path = dir.join(&name);
            let found = match (look(&ours, &name)?, look(&theirs, &name)?) {
                (Some(_), None) => Some("is in no layer"),
                (None, Some(_)) => Some("is missing"),
                (None, None) => None,
                (Some(one), Some(other)) => {
                    let (ours, theirs) = ((&ours, &one), (&theirs, &other));
                    let what = self.name(&path, &name, ours, theirs)?;
                    if what.is_none() && kind(&one) == FileType::Directory {
                        below.push(path.clone());
                    }
                    what
                }
            };
            if let Some(what) = found {
                self.tell(&path, what);
            }
        }
        Ok(below)
    }

    fn name(
        &mut self,
        path: &Path,
        name: &Path,
        (ours, one): (&OwnedFd, &Stat),
        (theirs, other): (&OwnedFd, &Stat),
    ) -> Result<Option<&'static str>, Errno> {
        if let Some(what) = self.attributes(one, other) {
            return Ok(Some(what));
        }
        if xattrs(ours, name)? != xattrs(theirs, name)? {
            return Ok(Some("its extended attributes differ"));
        }
        let same = match kind(one) {
            FileType::Directory => is_opaque(ours, name)? == is_opaque(theirs, name)?,
            FileType::Symlink => {
                readlinkat(ours, name, Vec::new())? == readlinkat(theirs, name, Vec::new())?
            }
            FileType::RegularFile => same_bytes(ours, theirs, name, one.st_size as u64)?,
            _ => one.st_rdev == other.st_rdev,
        };
        if !same {
            return Ok(Some("its content differs"));
        }
        let linked = kind(one) == FileType::Directory || is_whiteout(one) || {
            let (mine, other) =
                (first(&mut self.firsts.0, one, path), first(&mut self.firsts.1, other, path));
            mine == other
        };
        Ok((!linked).then_some("it is linked to another file"))
    }

    /// What differs of that which is known without reading.
    fn attributes(&self, one: &Stat, other: &Stat) -> Option<&'static str> {
        if kind(one) != kind(other) {
            return Some("is of another kind");
        }
        if is_whiteout(one) && is_whiteout(other) {
            return None;
        }
        let sized = matches!(kind(one), FileType::RegularFile | FileType::Symlink);
        if sized && one.st_size != other.st_size {
            return Some("its size differs");
        }
        if one.st_mode != other.st_mode {
            return Some("its mode differs");
        }
        if (one.st_uid, one.st_gid) != (other.st_uid, other.st_gid) {
            return Some("its owner differs");
        }
        let times = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec);
        (times(one) != times(other) && !self.is_of_no_archive(one, other))
            .then_some("its time differs")
    }

    fn is_of_no_archive(&self, one: &Stat, other: &Stat) -> bool {
        let later = |stat: &Stat| stat.st_mtime >= self.since.as_second();
        kind(other) == FileType::Directory && later(one) && later(other)
    }

    fn tell(&mut self, path: &Path, what: &str) {
        let path = path.strip_prefix(".").unwrap_or(path);
        self.found.push(format!("/{}: {what}", path.display()));
    }
}

/// The first name of a file that has several; none for one that has one.
fn first(firsts: &mut Firsts, stat: &Stat, path: &Path) -> Option<PathBuf> {
    (stat.st_nlink > 1).then(|| {
        let file = (stat.st_dev, stat.st_ino);
        firsts.entry(file).or_insert_with(|| path.to_owned()).clone()
    })
}

fn same_bytes(ours: &OwnedFd, theirs: &OwnedFd, name: &Path, size: u64) -> Result<bool, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let ours = match openat(ours, name, flags, Mode::empty()) {
        // Its owner may not read it, and nobody else is asked to.
        Err(Errno::ACCESS) if !privileged() => return Ok(true),
        ours => ours?,
    };
    let theirs = openat(theirs, name, flags, Mode::empty())?;
    let (mut one, mut other) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut at = 0;
    while at < size {
        let read = fill(&ours, &mut one, at)?;
        let length = fill(&theirs, &mut other, at)?;
        if one[..read] != other[..length] {
            return Ok(false);
        }
        if read == 0 {
            break;
        }
        at += read as u64;
    }
    Ok(true)
}

/// Reads until the buffer is full, or the file ends.
pub(super) fn fill(file: &OwnedFd, buffer: &mut [u8], at: u64) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::pread(file, &mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(len) => filled += len,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(filled)
}

fn failed(path: &Path) -> impl Fn(Errno) -> Error {
    move |errno| Error::io(format!("comparing {}", path.display()), errno.into())
}
