//! Making published trees durable, in the background, some time after the last change.
//!
//! Trees are published in the page cache. One `syncfs` later makes all of them durable at once; the
//! records then say so, and a boot after that keeps them. Nobody waits for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode};
use varve_core::{Error, Result};
use varve_meta::Db;

use crate::graph::{Dir, DirId, Look, decode, dir_key, encode};
use crate::places::Places;
use crate::tree::DIR_FLAGS;

/// The thread.
#[derive(Debug)]
pub(crate) struct Syncer(Arc<Clock>);

#[derive(Debug)]
struct Clock {
    after: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    due: Option<Instant>,
    stop: bool,
}

impl Syncer {
    /// Starts the thread.
    pub fn start(db: Db, places: Arc<Places>, after: Duration) -> Result<Self> {
        let clock = Arc::new(Clock { after, state: Mutex::default(), changed: Condvar::new() });
        let shared = Arc::clone(&clock);
        thread::Builder::new()
            .name("snapshot-sync".into())
            .spawn(move || shared.run(&db, &places))
            .map_err(|error| Error::io("starting the thread that syncs trees", error))?;
        Ok(Self(clock))
    }

    /// Something was published; the sync moves to a while after now.
    pub fn changed(&self) {
        self.0.lock().due = Some(Instant::now() + self.0.after);
        self.0.changed.notify_all();
    }

    /// Ends the thread, without waiting for it.
    pub fn stop(&self) {
        self.0.lock().stop = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, db: &Db, places: &Places) {
        while self.wait() {
            if let Err(error) = sync(db, places) {
                tracing::warn!(error = %error.chain(), "syncing trees; it is tried again later");
            }
        }
    }

    /// Waits until a sync is due; `false` at the end.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            state = match state.due {
                _ if state.stop => return false,
                Some(due) if due <= now => {
                    state.due = None;
                    return true;
                }
                Some(due) => {
                    let waited = self.changed.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// Syncs the file system where trees were published since, and records it for them. Blocks.
pub(crate) fn sync(db: &Db, places: &Places) -> Result<()> {
    if unsynced(db)?.is_empty() { Ok(()) } else { all(db, places) }
}

/// The same, whether there is such a tree or not.
pub(crate) fn all(db: &Db, places: &Places) -> Result<()> {
    let waiting: Vec<DirId> = unsynced(db)?.into_iter().map(|(id, _)| id).collect();
    let root = places.root();
    let failed = |errno: rustix::io::Errno| {
        Error::io(format!("syncing the file system of {}", root.display()), errno.into())
    };
    let dir = rustix::fs::openat(CWD, root, DIR_FLAGS, Mode::empty()).map_err(failed)?;
    if let Err(errno) = rustix::fs::syncfs(&dir) {
        // The kernel tells of what it could not write once: the next sync would know nothing of it. So these are of
        // no boot that can be, and made anew after the next open.
        distrust(db, waiting)?;
        return Err(failed(errno));
    }
    if waiting.is_empty() {
        return Ok(());
    }
    db.write_blocking(move |tx| {
        for id in waiting {
            // One that was removed since, or committed anew, is another matter.
            if let Some(value) = tx.get(&dir_key(id))? {
                let mut dir: Dir = decode(&dir_key(id), &value)?;
                dir.synced = true;
                tx.put(&dir_key(id), encode(&dir)?)?;
            }
        }
        Ok(())
    })
}

fn distrust(db: &Db, waiting: Vec<DirId>) -> Result<()> {
    db.write_blocking(move |tx| {
        for id in waiting {
            if let Some(value) = tx.get(&dir_key(id))? {
                let mut dir: Dir = decode(&dir_key(id), &value)?;
                dir.boot = String::new();
                tx.put(&dir_key(id), encode(&dir)?)?;
            }
        }
        Ok(())
    })
}

/// The committed directories that no sync has covered, and that one may.
pub(crate) fn unsynced(look: &impl Look) -> Result<Vec<(DirId, Dir)>> {
    let mut dirs = look.dirs()?;
    dirs.retain(|(_, dir)| !dir.synced && !dir.boot.is_empty() && dir.usage.is_some());
    Ok(dirs)
}

#[cfg(test)]
mod tests {
    use varve_core::snapshots::{NewSnapshot, Snapshots};
    use varve_core::testsuite::memory::Store;
    use varve_core::{Digest, Labels, Scope};

    use super::*;
    use crate::{Config, Dependencies, Snapshotter, drivers::Native};

    #[tokio::test]
    async fn what_a_client_commits_by_the_name_of_a_layer_is_on_the_disk_when_it_is_recorded() {
        let temp = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::new());
        let neighbours = Dependencies { content: store.clone(), leases: store };
        let config = Config::new(temp.path().join("root"));
        let opened = Snapshotter::open(Native, config, neighbours).await.unwrap();
        let scope = Scope::default();
        let waiting = || unsynced(&opened.0.db).unwrap().len();
        let layer = Digest::of(b"layer").to_string();
        for (name, left) in [("mine", 1), (layer.as_str(), 0)] {
            let new = NewSnapshot { key: "key".into(), ..NewSnapshot::default() };
            opened.prepare(&scope, new).await.unwrap();
            opened.commit(&scope, name, "key", &Labels::new()).await.unwrap();
            assert_eq!(waiting(), left, "{name}: the sync covers those before it, too");
        }
        opened.close().await.unwrap();
    }
}
