//! Directories that nothing refers to, removed by a thread of their own.
//!
//! What a thread did not get to is removed after the next open.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use varve_core::{Error, Result};

use crate::tree;

/// The directory `trash/` and its thread.
#[derive(Debug)]
pub(crate) struct Trash(Arc<Bin>);

#[derive(Debug)]
struct Bin {
    dir: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Something was thrown since the thread last looked.
    thrown: bool,
    working: bool,
    stop: bool,
}

impl Trash {
    /// Starts the thread, which first removes what is there.
    pub fn open(dir: PathBuf) -> Result<Self> {
        let state = Mutex::new(State { thrown: true, ..State::default() });
        let bin = Arc::new(Bin { dir, state, changed: Condvar::new() });
        let shared = Arc::clone(&bin);
        thread::Builder::new()
            .name("trash".into())
            .spawn(move || shared.run())
            .map_err(|error| Error::io("starting the thread that removes trees", error))?;
        Ok(Self(bin))
    }

    /// Moves `path` away, under the unused name `name`. Nothing happens where it is not there.
    pub fn throw(&self, path: &Path, name: &str) {
        match fs::rename(path, self.0.dir.join(name)) {
            Ok(()) => {
                self.0.lock().thrown = true;
                self.0.changed.notify_all();
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, path = %path.display(), "moving to the trash"),
        }
    }

    /// Waits until all that was thrown is removed, or could not be. Blocks.
    pub fn wait(&self) {
        let mut state = self.0.lock();
        while (state.thrown || state.working) && !state.stop {
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the thread after the directory that it is at.
    pub fn stop(&self) {
        self.0.lock().stop = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Trash {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Bin {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while self.next() {
            self.empty();
            self.lock().working = false;
            self.changed.notify_all();
        }
    }

    /// Waits for work; `false` where there will be none.
    fn next(&self) -> bool {
        let mut state = self.lock();
        while !state.thrown && !state.stop {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.thrown = false;
        state.working = !state.stop;
        state.working
    }

    fn empty(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            if self.lock().stop {
                return;
            }
            if let Err(error) = tree::remove(&entry.path()) {
                tracing::warn!(error = %error.chain(), "a tree was not removed");
            }
        }
    }
}
