//! The one place that touches sled: its configuration, its calls with panics caught, and the order
//! in which a commit reaches the disk.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::{Fault, catch};
use crate::record;
use crate::spin::undisturbed;

/// Small segments: sled fills the tail of the last one with zeros, and syncs it, at every open.
const SEGMENT: usize = 128 * 1024;

/// How long to wait for sled's threads of a database that this process just closed.
const UNLOCK: Duration = Duration::from_secs(5);

/// An open sled, and a handle of our own on its file, because its flush is no fsync.
pub(crate) struct Engine {
    sled: Option<sled::Db>,
    file: File,
    dir: PathBuf,
    synced: Mutex<BTreeSet<OsString>>,
    /// A write failed: sled may now wait for ever for it.
    failed: AtomicBool,
}

impl Engine {
    /// Opens or creates sled in `dir`.
    pub fn open(dir: &Path, cache: u64) -> Result<Self, Fault> {
        let config = || {
            sled::Config::new()
                .path(dir)
                .cache_capacity(cache)
                .segment_size(SEGMENT)
                .mode(sled::Mode::LowSpace)
                .flush_every_ms(None)
        };
        let sled = undisturbed(|| unlocked(|| catch(|| Ok(config().open()?))))?;
        let path = dir.join("db");
        let file = File::open(&path).map_err(|error| Fault::io(&path, error))?;
        Ok(Self {
            sled: Some(sled),
            file,
            dir: dir.into(),
            synced: Mutex::default(),
            failed: AtomicBool::new(false),
        })
    }

    fn sled(&self) -> &sled::Db {
        self.sled.as_ref().expect("sled is only taken out by drop")
    }

    /// The checked payload under `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let raw = catch(|| Ok(self.sled().get(key)?))?;
        raw.map(|raw| record::unseal(key, &raw).map(<[u8]>::to_vec)).transpose()
    }

    /// Calls `each` with every record under `prefix`, in order, or from the last one backwards,
    /// until it says that it has enough.
    pub fn walk(
        &self,
        prefix: &[u8],
        backwards: bool,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Fault> {
        let mut records = self.sled().scan_prefix(prefix);
        let mut next = || if backwards { records.next_back() } else { records.next() };
        loop {
            let Some((key, raw)) = catch(|| Ok(next().transpose()?))? else { return Ok(()) };
            if !each(&key, record::unseal(&key, &raw)?) {
                return Ok(());
            }
        }
    }

    /// Applies `batch` at once; it is not durable before [`Engine::sync`].
    pub fn apply(&self, batch: sled::Batch) -> Result<(), Fault> {
        self.watched(|| catch(|| Ok(self.sled().apply_batch(batch)?)))
    }

    /// Makes all that was applied durable: pages that sled spilled to files, then its log, then the
    /// file that the log is in.
    pub fn sync(&self) -> Result<(), Fault> {
        self.watched(|| {
            self.sync_spilled()?;
            catch(|| Ok(self.sled().flush().map(drop)?))?;
            self.file.sync_data().map_err(|error| Fault::io(&self.dir.join("db"), error))
        })
    }

    fn watched(&self, write: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
        write().inspect_err(|_| self.failed.store(true, Relaxed))
    }

    /// Sled never syncs a file in `blobs/`. They appear only when many values near the limit share
    /// a page.
    fn sync_spilled(&self) -> Result<(), Fault> {
        let dir = self.dir.join("blobs");
        let there = names(&dir)?;
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if there.is_subset(&synced) {
            return Ok(());
        }
        for name in there.difference(&synced) {
            sync(&dir.join(name))?;
        }
        sync(&dir)?;
        *synced = there;
        Ok(())
    }

    /// Makes the directory itself durable, once it was created.
    pub fn sync_directory(&self) -> Result<(), Fault> {
        sync(&self.dir.join("conf"))?;
        sync(&self.dir.join("blobs"))?;
        sync(&self.dir)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let (sled, dir) = (self.sled.take(), self.dir.clone());
        // Sled's drop flushes, syncs and unwraps.
        let close = move || {
            let closed = catch(|| {
                drop(sled);
                Ok(())
            });
            if let Err(fault) = closed {
                tracing::warn!(%fault, dir = %dir.display(), "closing sled");
            }
        };
        if *self.failed.get_mut() {
            // Its flush may wait for ever for the write that failed; nobody shall wait with it.
            let _ = thread::Builder::new().name("meta-abandoned".into()).spawn(close);
        } else {
            close();
        }
    }
}

/// Syncs a file or a directory; one that was removed meanwhile needs no sync.
pub(crate) fn sync(path: &Path) -> Result<(), Fault> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(|error| Fault::io(path, error)),
    }
}

/// The names in a directory.
pub(crate) fn names(dir: &Path) -> Result<BTreeSet<OsString>, Fault> {
    let entries = fs::read_dir(dir).map_err(|error| Fault::io(dir, error))?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    names.collect::<Result<_, _>>().map_err(|error| Fault::io(dir, error))
}

/// Sled's threads may hold its lock a moment longer than its last handle. Our own lock says that
/// nobody else can be meant, so waiting is right.
fn unlocked<T>(open: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    let deadline = Instant::now() + UNLOCK;
    loop {
        match open() {
            Err(Fault::Locked) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(2));
            }
            done => return done,
        }
    }
}
