//! A tree read beside its layer's stream: what is plainly the same is found so, and nothing is written.
//!
//! Holds eight bytes of each path, and no more entries than a layer may have. Says `true` only where every
//! entry is in the tree as it says, and all that is in the tree is an entry or a directory above one.
//! Whatever is not plain is for the comparison with a tree that is laid down anew.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode as Bits, Stat, openat};
use varve_core::{Kind as ErrorKind, Result};

use super::entry::{Odd, content, dressed, same, wanted};
use super::facts::{is_opaque, is_whiteout, kind, look, xattrs};
use crate::apply::{ApplyError, Entry, Kind, Sink, TreePath};
use crate::drivers::{Driver, TREE};
use crate::graph::DirId;
use crate::service::Snapshotter;
use crate::tree::{DIR_FLAGS, names, open_below, privileged};
use crate::unpack::{Job, extract_with, ready};

impl<D: Driver> Snapshotter<D> {
    /// Whether a snapshot's tree is plainly what its layer says.
    pub(super) async fn reads_same(&self, job: &Job, dir: DirId) -> Result<bool> {
        let stacked = job.layer.parent.is_some();
        if !privileged() || stacked && !self.0.driver.stacks() {
            return Ok(false);
        }
        let below = self.parent_published(job).await?;
        let tree = self.0.places.snapshot(dir).join(TREE);
        let below = below.dirs.first().map(|parent| parent.join(TREE));
        let Some(sink) = self.run(move |_| Ok(Beside::open(&tree, below.as_deref()))).await? else {
            return Ok(false);
        };
        let odd = Arc::clone(&sink.odd);
        let content = &self.0.neighbours.content;
        let ready = ready(content.follow(&job.scope, &job.layer.blob.digest).await?).await?;
        let permit = self.permit().await?;
        let extraction = self.extraction(job, crate::apply::Mode::Base);
        let read =
            extract_with(ready, extraction, (), permit, move |chunks, compression, options| {
                crate::apply::apply_to(chunks, compression, sink, options)
            });
        match read.await {
            Ok(((stream, _, ()), ())) => Ok(stream.diff_id == job.layer.diff_id),
            Err(error) if odd.load(Ordering::Relaxed) && error.kind() == ErrorKind::Cancelled => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Compares instead of laying down.
struct Beside {
    root: OwnedFd,
    /// The root that a layer which does not describe its own has it from.
    below: Option<OwnedFd>,
    stacked: bool,
    /// The directory that was looked into last.
    last: Option<(TreePath, OwnedFd)>,
    /// Entries, and the directories above them.
    seen: Paths,
    described: Paths,
    opaque: Paths,
    odd: Arc<AtomicBool>,
}

#[derive(Default)]
struct Paths {
    hashes: HashSet<u64>,
    key: RandomState,
}

impl Paths {
    fn add(&mut self, path: &TreePath) -> bool {
        self.hashes.insert(self.key.hash_one(path.as_bytes()))
    }

    fn has(&self, path: &[u8]) -> bool {
        self.hashes.contains(&self.key.hash_one(path))
    }
}

impl Beside {
    fn open(tree: &Path, below: Option<&Path>) -> Option<Self> {
        let open = |path: &Path| openat(CWD, path, DIR_FLAGS, Bits::empty()).ok();
        Some(Self {
            root: open(tree)?,
            below: match below {
                Some(below) => Some(open(below)?),
                None => None,
            },
            stacked: below.is_some(),
            last: None,
            seen: Paths::default(),
            described: Paths::default(),
            opaque: Paths::default(),
            odd: Arc::default(),
        })
    }

    fn see(&mut self, path: &TreePath) {
        let mut path = path.clone();
        while self.seen.add(&path) && !path.is_root() {
            path = path.parent();
        }
    }

    /// The directory that holds `path`, opened without following a link.
    fn holder(&mut self, path: &TreePath) -> Result<&OwnedFd, Odd> {
        let dir = path.parent();
        if self.last.as_ref().is_none_or(|(last, _)| *last != dir) {
            let opened = open_below(&self.root, dir.as_path())?;
            self.last = Some((dir, opened));
        }
        Ok(&self.last.as_ref().ok_or(Odd::Differs)?.1)
    }

    fn compare(&mut self, entry: &Entry, body: &mut dyn BufRead) -> Result<(), Odd> {
        match &entry.kind {
            // With nothing below they mean nothing.
            Kind::Whiteout | Kind::Opaque if !self.stacked => return Ok(()),
            Kind::Opaque => {
                same(!entry.path.is_root())?;
                self.see(&entry.path);
                self.opaque.add(&entry.path);
                let name = PathBuf::from(entry.path.name());
                return same(is_opaque(self.holder(&entry.path)?, &name)?);
            }
            _ => self.see(&entry.path),
        }
        let name = match entry.path.is_root() {
            true => PathBuf::from("."),
            false => PathBuf::from(entry.path.name()),
        };
        let dir = self.holder(&entry.path)?;
        let stat = look(dir, &name)?.ok_or(Odd::Differs)?;
        match &entry.kind {
            Kind::Whiteout => return same(is_whiteout(&stat)),
            Kind::HardLink(target) => {
                let file = (stat.st_dev, stat.st_ino);
                let name = PathBuf::from(target.name());
                let target = look(self.holder(target)?, &name)?.ok_or(Odd::Differs)?;
                return same(file == (target.st_dev, target.st_ino));
            }
            _ => {}
        }
        dressed(entry, &stat)?;
        same(xattrs(dir, &name)? == wanted(entry))?;
        content(entry, &stat, dir, &name, body)?;
        if entry.kind == Kind::Directory {
            self.described.add(&entry.path);
        }
        Ok(())
    }

    /// Everything in the tree is of the layer.
    fn walk(&mut self) -> Result<(), Odd> {
        same(self.described.has(b"") || self.root_is_from_below()?)?;
        let mut next = vec![TreePath::root()];
        while let Some(dir) = next.pop() {
            let opened = open_below(&self.root, dir.as_path())?;
            for name in names(&opened)? {
                let path = dir.join(name.as_os_str().as_bytes());
                same(self.seen.has(path.as_bytes()))?;
                let stat = look(&opened, &name)?.ok_or(Odd::Differs)?;
                if kind(&stat) == FileType::Directory {
                    same(self.described.has(path.as_bytes()))?;
                    same(!is_opaque(&opened, &name)? || self.opaque.has(path.as_bytes()))?;
                    next.push(path);
                }
            }
        }
        Ok(())
    }

    fn root_is_from_below(&self) -> Result<bool, Odd> {
        let dot = Path::new(".");
        let ours = look(&self.root, dot)?.ok_or(Odd::Differs)?;
        let said = |stat: &Stat| (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
        let Some(below) = &self.below else {
            return Ok(said(&ours) == (0o755, 0, 0) && xattrs(&self.root, dot)?.is_empty());
        };
        let theirs = look(below, dot)?.ok_or(Odd::Differs)?;
        Ok(said(&ours) == said(&theirs) && xattrs(&self.root, dot)? == xattrs(below, dot)?)
    }

    fn settle(&self, outcome: Result<(), Odd>) -> Result<(), ApplyError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Odd::Body(error)) => Err(error),
            Err(Odd::Differs) => {
                self.odd.store(true, Ordering::Relaxed);
                Err(ApplyError::Cancelled)
            }
        }
    }
}

impl Sink for Beside {
    type Output = ();

    fn entry(&mut self, entry: &Entry, body: &mut dyn BufRead) -> Result<(), ApplyError> {
        let outcome = self.compare(entry, body);
        self.settle(outcome)
    }

    fn finish(mut self) -> Result<(), ApplyError> {
        let outcome = self.walk();
        self.settle(outcome)
    }
}
