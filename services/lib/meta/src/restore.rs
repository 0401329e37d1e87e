//! Making a database: an empty one, or one from the export. It is made beside its place and moved
//! there whole, so that a crash on the way leaves either the old one or nothing, never a half.

use std::fs;
use std::path::{Path, PathBuf};

use crate::db::Options;
use crate::engine::{Engine, sync};
use crate::export;
use crate::fault::Fault;
use crate::mark;
use crate::open::{Found, Recovery, attempt, sled_dir};
use crate::quarantine;
use crate::record;
use crate::state::{REBUILD_KEY, STATE_KEY, State};

/// Records in one batch of a restore.
const BATCH: usize = 512;

/// Where a database is made.
pub(crate) fn half_made(dir: &Path) -> PathBuf {
    dir.join("sled.new")
}

/// An empty database, where there was none.
pub(crate) fn create(dir: &Path, options: &Options) -> Result<(Found, Recovery), Fault> {
    let mut maker = Maker::new(dir, options)?;
    maker.state.seq = mark::read(dir) + 1;
    maker.finish()?;
    Ok((install(dir, options)?, Recovery::Created))
}

/// A database of the export's records, where the old one is of no use; that one goes into the
/// quarantine, once the new one is on the disk.
pub(crate) fn restore(dir: &Path, options: &Options) -> Result<(Found, Recovery), Fault> {
    let exported = from_export(dir, options)?;
    let from_export = exported.is_some();
    let mut maker = match exported {
        Some(maker) => maker,
        None => Maker::new(dir, options)?,
    };
    let records = maker.state.records;
    maker.state.seq = maker.state.seq.max(mark::read(dir)) + 1;
    maker.add(REBUILD_KEY.to_vec(), b"restored".to_vec())?;
    maker.finish()?;
    let to = quarantine::database(dir, !from_export)?;
    tracing::error!(from_export, records, old = %to.display(), "restored the {} database", options.name);
    Ok((install(dir, options)?, Recovery::Restored { from_export, records }))
}

/// All records of the export; `None` where there is no sound one.
fn from_export(dir: &Path, options: &Options) -> Result<Option<Maker>, Fault> {
    let mut maker = Maker::new(dir, options)?;
    let damaged = match export::read(dir, &mut |key, value| maker.add(key, value)) {
        Ok(seq) => {
            maker.state.seq = seq;
            return Ok(Some(maker));
        }
        Err(Fault::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => "there is none",
        Err(Fault::Damaged(why)) => &format!("it is damaged: {why}"),
        Err(other) => return Err(other),
    };
    tracing::error!("the {} database cannot be restored from its export: {damaged}", options.name);
    Ok(None)
}

fn install(dir: &Path, options: &Options) -> Result<Found, Fault> {
    let from = half_made(dir);
    fs::rename(&from, sled_dir(dir)).map_err(|error| Fault::io(&from, error))?;
    sync(dir)?;
    attempt(dir, options)
}

/// Remembers in the database itself that a rebuild must follow, and goes on after `mark`.
pub(crate) fn flag(mut found: Found, mark: u64) -> Result<Found, Fault> {
    let why = b"behind its mark";
    let mut batch = sled::Batch::default();
    if let Some(old) = found.engine.get(REBUILD_KEY)? {
        found.state.remove(REBUILD_KEY, &old);
    }
    found.state.add(REBUILD_KEY, why);
    found.state.seq = mark + 1;
    batch.insert(REBUILD_KEY, record::seal(REBUILD_KEY, why));
    batch.insert(STATE_KEY, record::seal(STATE_KEY, &found.state.encode()));
    found.engine.apply(batch)?;
    found.engine.sync()?;
    Ok(found)
}

/// A database in the making.
struct Maker {
    engine: Engine,
    batch: sled::Batch,
    waiting: usize,
    state: State,
}

impl Maker {
    fn new(dir: &Path, options: &Options) -> Result<Self, Fault> {
        let place = half_made(dir);
        match fs::remove_dir_all(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Fault::io(&place, error));
            }
            _ => {}
        }
        let engine = Engine::open(&place, options.cache_bytes)?;
        Ok(Self { engine, batch: sled::Batch::default(), waiting: 0, state: State::default() })
    }

    fn add(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Fault> {
        self.state.add(&key, &value);
        let raw = record::seal(&key, &value);
        self.batch.insert(key, raw);
        self.waiting += 1;
        if self.waiting == BATCH {
            self.waiting = 0;
            self.engine.apply(std::mem::take(&mut self.batch))?;
        }
        Ok(())
    }

    /// Writes the state and makes all of it durable.
    fn finish(mut self) -> Result<(), Fault> {
        self.batch.insert(STATE_KEY, record::seal(STATE_KEY, &self.state.encode()));
        self.engine.apply(self.batch)?;
        self.engine.sync()?;
        self.engine.sync_directory()
    }
}
