//! The database as its callers see it: reads from any thread, writes through the one writer.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;
use varve_core::{Error, Result};

use crate::closed;
use crate::engine::Engine;
use crate::fault::Fault;
use crate::open::{self, Recovery};
use crate::record::{self, RESERVED};
use crate::state::{REBUILD_KEY, State};
use crate::tx::{Record, Tx};
use crate::writer::{Lasts, Writer};

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it is called in messages: `content`, `snapshots`.
    pub name: &'static str,
    /// How old an export may grow while there are changes that it lacks.
    pub export_every: Duration,
    /// Memory for sled's pages, in bytes.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "metadata",
            export_every: Duration::from_secs(3600),
            cache_bytes: 16 * 1024 * 1024,
        }
    }
}

/// A handle on an open database. Clones share it; the last one that goes closes it.
///
/// Everything here but [`Db::write`] blocks, on the disk or on the writer; reads are short.
#[derive(Clone)]
pub struct Db(Arc<Shared>);

struct Shared {
    core: Arc<Core>,
    writer: Writer,
}

impl Db {
    /// Opens the database in `dir`, which it makes where there is none and owns from then on.
    /// Damage is repaired as far as it can be, and told in [`Recovery`].
    ///
    /// # Errors
    /// Unavailable while another process has it; the machine's errors (no permission, disk full).
    pub fn open(dir: &Path, options: Options) -> Result<(Db, Recovery)> {
        let opened = open::open(dir, &options)?;
        let core = Arc::new(Core::new(dir, &options, opened.engine, opened.lock));
        let writer = Writer::start(Arc::clone(&core), opened.state, opened.exported, &options)?;
        Ok((Db(Arc::new(Shared { core, writer })), opened.recovery))
    }

    /// The committed value of `key`. DataLoss, naming the key, where it is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.core.get(key)
    }

    /// Every committed record whose key begins with `prefix`, sorted; the state between two groups,
    /// never half of one.
    pub fn scan(&self, prefix: &[u8]) -> Result<Vec<Record>> {
        self.0.core.scan(prefix)
    }

    /// Whether `is_it` says so of the key of any committed record that begins with `prefix`.
    pub fn any_key(&self, prefix: &[u8], is_it: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool> {
        let mut found = false;
        self.0.core.walk(prefix, false, &mut |key, _| {
            found = is_it(key);
            !found
        })?;
        Ok(found)
    }

    /// How many committed records have a key that begins with `prefix`.
    pub fn count(&self, prefix: &[u8]) -> Result<u64> {
        let mut count = 0;
        self.0.core.walk(prefix, false, &mut |_, _| {
            count += 1;
            true
        })?;
        Ok(count)
    }

    /// Runs `op` on the writer thread and answers when its changes are on the disk. An error of
    /// `op` discards its changes. Once sent, `op` runs even if this future is dropped. `op` must not
    /// block; it may read, and must not write but through its [`Tx`].
    ///
    /// # Errors
    /// What `op` returns; Internal where it panics; ResourceExhausted on a full disk; Unavailable
    /// once closed. After a commit has failed every further write fails until the next open.
    pub async fn write<T: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.0.writer.submit(op, Lasts::Now, |result| drop(reply.send(result)));
        answer.await.unwrap_or_else(|_| Err(self.0.core.closed()))
    }

    /// [`Db::write`] of what only matters together with a later write: everybody sees it when this
    /// answers, and it is on the disk with the next write that [`Db::write`] makes, a moment later, or
    /// at the close, whichever comes first. What a crash takes is the last of these, in their order.
    pub async fn write_ahead<T: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.0.writer.submit(op, Lasts::Later, |result| drop(reply.send(result)));
        answer.await.unwrap_or_else(|_| Err(self.0.core.closed()))
    }

    /// [`Db::write`] for threads that may block.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.0.writer.is_current() {
            return Err(Error::internal("a metadata operation must write through its Tx"));
        }
        let (reply, answer) = mpsc::channel();
        self.0.writer.submit(op, Lasts::Now, move |result| drop(reply.send(result)));
        answer.recv().unwrap_or_else(|_| Err(self.0.core.closed()))
    }

    /// Says that the facts that [`Recovery::must_rebuild`] asked for have been rebuilt. Until then
    /// every open asks again. Blocks.
    pub fn rebuilt(&self) -> Result<()> {
        self.write_blocking(|tx| {
            tx.set_reserved(REBUILD_KEY, None);
            Ok(())
        })
    }

    /// Writes the export now, if it lacks anything. Blocks.
    pub fn export(&self) -> Result<()> {
        if self.0.writer.is_current() {
            return Err(Error::internal("a metadata operation cannot wait for an export"));
        }
        self.0.writer.export().unwrap_or_else(|| Err(self.0.core.closed()))
    }

    /// Exports what changed, stops the writer and lets go of the directory. What follows is refused.
    /// A second call does nothing. Blocks.
    pub fn close(&self) -> Result<()> {
        self.0.close()
    }
}

impl Shared {
    fn close(&self) -> Result<()> {
        match self.writer.stop() {
            Some(Ok(state)) => {
                self.core.let_go(state);
                Ok(())
            }
            Some(Err(error)) => {
                self.core.let_go(None);
                Err(error)
            }
            // The writer is in the middle of a group, and lets go when it ends.
            None => Ok(()),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(error = %error.chain(), dir = %self.core.dir.display(), "closing");
        }
    }
}

/// What readers and the writer share: the engine, until the database is closed.
pub(crate) struct Core {
    name: &'static str,
    dir: PathBuf,
    /// Locked for writing only while a batch is applied in memory, so that no scan sees half of it.
    engine: RwLock<Option<Engine>>,
    /// Held until after the engine is gone.
    lock: Mutex<Option<File>>,
    /// A record was found damaged: the next open has to look at all of them.
    doubtful: AtomicBool,
}

impl Core {
    pub fn new(dir: &Path, options: &Options, engine: Engine, lock: File) -> Self {
        let (engine, lock) = (RwLock::new(Some(engine)), Mutex::new(Some(lock)));
        let doubtful = AtomicBool::new(false);
        Self { name: options.name, dir: dir.into(), engine, lock, doubtful }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Calls `read` with the engine, beside other readers; `noun` goes into the message of a fault.
    pub fn read<T>(
        &self,
        noun: impl FnOnce() -> String,
        read: impl FnOnce(&Engine) -> Result<T, Fault>,
    ) -> Result<T> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = engine.as_ref().ok_or_else(|| self.closed())?;
        read(engine).map_err(|fault| self.told(noun(), fault))
    }

    /// Calls `change` with the engine, alone.
    pub fn change<T>(&self, change: impl FnOnce(&Engine) -> Result<T, Fault>) -> Result<T> {
        let engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        let engine = engine.as_ref().ok_or_else(|| self.closed())?;
        change(engine).map_err(|fault| self.told("writing".into(), fault))
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.read(|| format!("the record {}", record::show(key)), |engine| engine.get(key))
    }

    pub fn scan(&self, prefix: &[u8]) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        self.walk(prefix, false, &mut |key, value| {
            records.push((key.to_vec(), value.to_vec()));
            true
        })?;
        Ok(records)
    }

    /// [`Engine::walk`] over the callers' records, without this crate's own.
    pub fn walk(
        &self,
        prefix: &[u8],
        backwards: bool,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<()> {
        let mut visit =
            |key: &[u8], value: &[u8]| key.first() == Some(&RESERVED) || each(key, value);
        let noun = || format!("the records {}*", record::show(prefix));
        self.read(noun, |engine| engine.walk(prefix, backwards, &mut visit))
    }

    pub fn closed(&self) -> Error {
        Error::unavailable(format!("the {} database is closed", self.name))
    }

    /// Closes sled, then unlocks the directory. `state` is that of a close in good order.
    fn let_go(&self, state: Option<State>) {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.engine.write().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(state) = state.filter(|_| !self.doubtful.load(Relaxed)) {
            closed::seal(&self.dir, &state);
        }
        drop(lock.take());
    }

    /// A fault as an error that names the database and says what to do.
    fn told(&self, noun: String, fault: Fault) -> Error {
        let place = format!("{noun}: the {} database in {}", self.name, self.dir.display());
        match fault {
            Fault::Damaged(_) => {
                self.doubtful.store(true, Relaxed);
                fault.about(format!("{place} is damaged; restart varve, which restores it"))
            }
            _ => fault.about(place),
        }
    }
}
