//! Where a container's state is kept on this machine: below the root, in `run/`.
//!
//! ```text
//! ROOT/run/lock                        held while a name is given
//! ROOT/run/runtime/                    the runtime's own state
//! ROOT/run/containers/ID/lock          held by its monitor
//!                        state.json    what became of it, replaced by rename
//!                        log.json      what it printed, a JSON object a line
//!                        control.sock  where its monitor tells who waits how it ended
//!                        monitor.log   what its monitor had to complain of
//!                        bundle/       config.json, rootfs (a mount), files that are mounted in it
//! ```
//!
//! All but log.json and state.json is made anew at each start.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use varve_core::{Error, Result};

use crate::args::Global;
use crate::root;

/// The directory of all state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Base(PathBuf);

/// The directory of one container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    base: Base,
    id: String,
}

impl Base {
    /// That of the root which the command works in; where the services are elsewhere, of the one it would.
    pub fn of(global: &Global) -> Result<Self> {
        Ok(Self(root::path(global.root.as_deref())?.join("run")))
    }

    /// The container `id`'s. It need not be there.
    pub fn place(&self, id: &str) -> Place {
        Place { base: self.clone(), id: id.to_owned() }
    }

    /// The runtime's `--root`.
    pub fn runtime(&self) -> PathBuf {
        self.0.join("runtime")
    }

    /// Waits for whoever else gives a name, and keeps others waiting until the file is dropped. Blocks.
    pub fn lock(&self) -> Result<File> {
        make_dir(&self.0)?;
        let path = self.0.join("lock");
        let file = open_lock(&path)?;
        file.lock().map_err(|error| Error::io(path.display(), error))?;
        Ok(file)
    }
}

impl Place {
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn base(&self) -> &Base {
        &self.base
    }

    pub fn dir(&self) -> PathBuf {
        self.base.0.join("containers").join(&self.id)
    }

    pub fn bundle(&self) -> PathBuf {
        self.dir().join("bundle")
    }

    pub fn rootfs(&self) -> PathBuf {
        self.bundle().join("rootfs")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub fn log(&self) -> PathBuf {
        self.file("log.json")
    }

    pub fn control(&self) -> PathBuf {
        self.file("control.sock")
    }

    /// Makes the directory, closed to others.
    pub fn make(&self) -> Result<()> {
        make_dir(&self.dir())
    }

    /// The lock, where nobody has it: then no monitor lives. Freed by the kernel however its holder ends.
    pub fn try_lock(&self) -> Result<Option<File>> {
        let path = self.file("lock");
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(Error::io(path.display(), error)),
        }
    }

    /// The same, for whoever knows that its holder is about to end. Blocks.
    pub fn lock_within(&self, limit: Duration) -> Result<Option<File>> {
        const STEP: Duration = Duration::from_millis(10);
        let end = Instant::now() + limit;
        loop {
            let lock = self.try_lock()?;
            if lock.is_some() || Instant::now() > end {
                return Ok(lock);
            }
            std::thread::sleep(STEP);
        }
    }

    /// Removes the bundle. Where something is still mounted in it, that fails before anything is removed.
    pub fn remove_bundle(&self) -> Result<()> {
        let (rootfs, bundle) = (self.rootfs(), self.bundle());
        unless_gone(&rootfs, fs::remove_dir(&rootfs))?;
        unless_gone(&bundle, fs::remove_dir_all(&bundle))
    }

    /// Removes the directory and what is in it.
    pub fn remove(&self) -> Result<()> {
        self.remove_bundle()?;
        let dir = self.dir();
        unless_gone(&dir, fs::remove_dir_all(&dir))
    }
}

/// A directory, and those above it that are missing, closed to others: what images contain is nobody else's to
/// run.
pub fn make_dir(path: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Error::io(path.display(), error))
}

fn unless_gone(path: &Path, done: io::Result<()>) -> Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(|error| Error::io(path.display(), error)),
    }
}

fn open_lock(path: &Path) -> Result<File> {
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    open.map_err(|error| Error::io(path.display(), error))
}
