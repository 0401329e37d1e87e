//! Where things are below the root, and how a directory gets from one place to the next.
//!
//! ```text
//! meta/            the records
//! snapshots/ID/    a snapshot's directory; its record came after it and goes before it
//! staged/ID/       one in the making, owned by whoever holds its [`Staged`]
//! trash/ID/        one that nothing refers to any more
//! lost/ID/         one whose record was lost with a damaged database
//! ```
//!
//! Every move is a rename, so that a crash leaves each directory in one place.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use varve_core::{Error, Result};

use crate::graph::DirId;
use crate::mounting::open_dir;
use crate::trash::Trash;
use crate::tree;

/// The directory of the records.
pub(crate) const META: &str = "meta";
/// All other directories of a driver's root.
const PLACES: [&str; 3] = ["snapshots", "staged", "trash"];

/// Looks into the directories of `root`, as [`Places::open`] will.
pub(crate) fn foresee(root: &Path) {
    for place in PLACES {
        let _ = std::fs::read_dir(root.join(place)).map(|mut names| names.next().is_some());
    }
}

/// The directories of one snapshotter.
#[derive(Debug)]
pub(crate) struct Places {
    root: PathBuf,
    next: AtomicU64,
    /// Staged by this process, now.
    staged: Mutex<BTreeSet<DirId>>,
    pub trash: Trash,
}

impl Places {
    /// Makes what is missing. `above` is the highest number that records know.
    pub fn open(root: &Path, above: u64) -> Result<Self> {
        let mut highest = above;
        for place in PLACES {
            let dir = root.join(place);
            tree::make_private(&dir)?;
            highest = numbers(&dir)?.into_iter().map(|id| id.0).fold(highest, u64::max);
        }
        // What was put aside stays where it is: its number is never given out again.
        let lost = root.join("lost");
        if lost.exists() {
            highest = numbers(&lost)?.into_iter().map(|id| id.0).fold(highest, u64::max);
        }
        spread(&root.join("staged"));
        Ok(Self {
            root: root.to_owned(),
            next: AtomicU64::new(highest + 1),
            staged: Mutex::default(),
            trash: Trash::open(root.join("trash"))?,
        })
    }

    /// Where a snapshot's directory is.
    pub fn snapshot(&self, id: DirId) -> PathBuf {
        self.root.join("snapshots").join(id.to_string())
    }

    /// The number of a path `snapshots/ID/…` of ours.
    pub fn number(&self, path: &Path) -> Option<DirId> {
        let below = path.strip_prefix(self.root.join("snapshots")).ok()?;
        number(below.components().next()?.as_os_str().to_str()?)
    }

    /// A directory where old kernels may mount for a moment.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directories that are in `snapshots/`.
    pub fn snapshots(&self) -> Result<Vec<DirId>> {
        numbers(&self.root.join("snapshots"))
    }

    /// A new, empty directory of the caller's.
    pub fn stage(self: &Arc<Self>) -> Result<Staged> {
        let id = DirId(self.next.fetch_add(1, Ordering::Relaxed));
        let path = self.root.join("staged").join(id.to_string());
        self.owned().insert(id);
        let staged = Staged { places: Arc::clone(self), id, path, settled: false };
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&staged.path)
            .map_err(|error| Error::io(format!("making {}", staged.path.display()), error))?;
        Ok(staged)
    }

    /// Removes what is staged and nobody of this process owns.
    pub fn sweep_staged(&self) -> Result<()> {
        let dir = self.root.join("staged");
        for id in numbers(&dir)? {
            if !self.owned().contains(&id) {
                self.throw(&dir.join(id.to_string()), id);
            }
        }
        Ok(())
    }

    /// Gets rid of a directory whose record is gone.
    pub fn discard(&self, id: DirId) {
        self.throw(&self.snapshot(id), id);
    }

    /// Puts aside a directory whose record was lost.
    pub fn put_aside(&self, id: DirId) -> Result<PathBuf> {
        let lost = self.root.join("lost");
        tree::make_private(&lost)?;
        let to = lost.join(id.to_string());
        fs::rename(self.snapshot(id), &to)
            .map_err(|error| Error::io(format!("moving to {}", to.display()), error))?;
        Ok(to)
    }

    /// What this process is making at the moment.
    pub fn owned_now(&self) -> BTreeSet<DirId> {
        self.owned().clone()
    }

    fn throw(&self, path: &Path, id: DirId) {
        self.trash.throw(path, &id.to_string());
    }

    fn owned(&self) -> std::sync::MutexGuard<'_, BTreeSet<DirId>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the file system to put each directory that is made in `dir` into a region of its own.
///
/// What is in there has nothing to do with what is beside it. Ext4 would put all of it into one block group, where
/// layers that unpack side by side wait for one another, and where it steps over every inode that was
/// deleted a moment ago: that doubles the time in the kernel. Others know no such flag, or no such
/// groups (ioctl_iflags(2), `FS_TOPDIR_FL`).
fn spread(dir: &Path) {
    let flagged = open_dir(rustix::fs::CWD, dir).and_then(|dir| {
        let flags = ioctl_getflags(&dir).map_err(|error| Error::io("its flags", error.into()))?;
        let set = ioctl_setflags(&dir, flags | IFlags::TOPDIR);
        set.map_err(|error| Error::io("its flags", error.into()))
    });
    if let Err(error) = flagged {
        tracing::debug!(dir = %dir.display(), error = %error.chain(), "directories are not spread");
    }
}

/// A staged directory; dropping it removes it, in the background.
#[derive(Debug)]
pub(crate) struct Staged {
    places: Arc<Places>,
    id: DirId,
    path: PathBuf,
    settled: bool,
}

impl Staged {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves it to `snapshots/`; a record must follow at once, or [`Places::discard`]. Until what is
    /// answered is dropped, that it has none is no fault.
    pub fn settle(mut self) -> Result<Settled> {
        let to = self.places.snapshot(self.id);
        fs::rename(&self.path, &to)
            .map_err(|error| Error::io(format!("moving to {}", to.display()), error))?;
        self.settled = true;
        Ok(Settled(self))
    }
}

/// In place, and not recorded yet.
#[derive(Debug)]
pub(crate) struct Settled(Staged);

impl Settled {
    pub fn id(&self) -> DirId {
        self.0.id
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.settled {
            self.places.throw(&self.path, self.id);
        }
        self.places.owned().remove(&self.id);
    }
}

fn numbers(dir: &Path) -> Result<Vec<DirId>> {
    let failed = |error| Error::io(format!("reading {}", dir.display()), error);
    let mut ids = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        ids.extend(entry.map_err(failed)?.file_name().to_str().and_then(number));
    }
    Ok(ids)
}

fn number(name: &str) -> Option<DirId> {
    name.parse().ok().map(DirId)
}
