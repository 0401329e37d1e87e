//! Opening: lock, clear what a crash left, open and verify; where that fails, put the damaged part
//! aside and restore.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use varve_core::{Error, Result};

use crate::closed;
use crate::db::Options;
use crate::engine::{self, Engine, sync};
use crate::export;
use crate::fault::Fault;
use crate::lock;
use crate::mark;
use crate::quarantine;
use crate::restore;
use crate::state::{REBUILD_KEY, STATE_KEY, State};
use crate::undo;

/// What opening found, and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// All is as it was closed, or as a crash left it with nothing lost.
    Clean,
    /// There was no database.
    Created,
    /// Files that sled makes to start faster were damaged and put aside; nothing is lost.
    SnapshotsQuarantined,
    /// The database is sound, and older than it should be: its last commits are lost.
    Behind { commits: u64 },
    /// The database was lost or damaged. A new one holds the `records` of the export, where there
    /// was a sound one.
    Restored { from_export: bool, records: u64 },
    /// An earlier open asked for a rebuild, and [`crate::Db::rebuilt`] was never called.
    Unfinished,
}

impl Recovery {
    /// Whether facts that can be derived from elsewhere have to be derived anew, followed by
    /// [`crate::Db::rebuilt`].
    pub fn must_rebuild(&self) -> bool {
        matches!(self, Self::Behind { .. } | Self::Restored { .. } | Self::Unfinished)
    }
}

pub(crate) struct Opened {
    pub engine: Engine,
    pub state: State,
    /// The sequence number of the export.
    pub exported: Option<u64>,
    pub lock: File,
    pub recovery: Recovery,
}

/// Where sled's own files are.
pub(crate) fn sled_dir(dir: &Path) -> PathBuf {
    dir.join("sled")
}

/// Opens the database in `dir`: see [`crate::Db::open`].
pub(crate) fn open(dir: &Path, options: &Options) -> Result<Opened> {
    let noun = || format!("opening the {} database in {}", options.name, dir.display());
    make(dir).map_err(|fault| fault.about(noun()))?;
    let lock = lock::take(dir, options.name)?;
    let (found, recovery) = recover(dir, options).map_err(|fault| told(fault, noun()))?;
    if recovery.must_rebuild() {
        tracing::warn!(dir = %dir.display(), ?recovery, "the {} database recovered", options.name);
    }
    let Found { engine, state } = found;
    Ok(Opened { engine, state, exported: export::sequence(dir), lock, recovery })
}

fn told(fault: Fault, noun: String) -> Error {
    match fault {
        Fault::Locked => Error::unavailable(format!(
            "{noun}: sled's file is still locked, by another program or by a write that failed in \
             this process; stop the one or restart the other"
        )),
        other => other.about(noun),
    }
}

fn make(dir: &Path) -> Result<(), Fault> {
    if dir.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| Fault::io(dir, error))?;
    dir.parent().map_or(Ok(()), sync)
}

/// A database that opened and was verified.
pub(crate) struct Found {
    pub engine: Engine,
    pub state: State,
}

fn recover(dir: &Path, options: &Options) -> Result<(Found, Recovery), Fault> {
    clear(dir)?;
    if !sled_dir(dir).exists() {
        let known = export::path(dir).exists() || quarantine::holds_any(dir);
        return if known { restore::restore(dir, options) } else { restore::create(dir, options) };
    }
    let (found, recovery) = match attempt(dir, options) {
        Err(Fault::Damaged(why)) => match again_without_snapshots(dir, options, &why)? {
            Some(found) => (found, Recovery::SnapshotsQuarantined),
            None => return restore::restore(dir, options),
        },
        found => (found?, Recovery::Clean),
    };
    compare(dir, options, found, recovery)
}

/// Removes what a crash in the middle of something left behind.
fn clear(dir: &Path) -> Result<(), Fault> {
    let gone = |path: &Path, done: std::io::Result<()>| match done {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(|error| Fault::io(path, error)),
    };
    let half = restore::half_made(dir);
    gone(&half, fs::remove_dir_all(&half))?;
    let export = export::temporary(dir);
    gone(&export, fs::remove_file(&export))?;
    let sled = sled_dir(dir);
    if !sled.exists() {
        return Ok(());
    }
    // Sled would take a half-written snapshot for its newest, and refuse to open for ever.
    for name in engine::names(&sled)? {
        if name.to_string_lossy().ends_with(".generating") {
            let path = sled.join(name);
            gone(&path, fs::remove_file(&path))?;
        }
    }
    Ok(())
}

/// Opens sled and verifies what it shows, where it is not as it was closed.
pub(crate) fn attempt(dir: &Path, options: &Options) -> Result<Found, Fault> {
    // Before sled, which writes to its files when it opens.
    let closed = closed::take(dir);
    let engine = Engine::open(&sled_dir(dir), options.cache_bytes)?;
    if let Some(state) = closed.filter(|state| stored(&engine).is_ok_and(|it| it == *state)) {
        return Ok(Found { engine, state });
    }
    let state = match verify(&engine) {
        Err(Fault::Damaged(why)) => match undo::take_back(dir, &engine)? {
            Some(state) => state,
            None => return Err(Fault::Damaged(why)),
        },
        state => state?,
    };
    Ok(Found { engine, state })
}

/// Every record is sound, and together they are those of the last commit.
fn verify(engine: &Engine) -> Result<State, Fault> {
    let stored = stored(engine)?;
    let mut found = State { seq: stored.seq, ..State::default() };
    engine.walk(b"", false, &mut |key, value| {
        if key != STATE_KEY {
            found.add(key, value);
        }
        true
    })?;
    if found == stored {
        return Ok(stored);
    }
    Err(Fault::Damaged(format!(
        "{} records are there, {} should be, or some were altered",
        found.records, stored.records
    )))
}

/// What the database says of itself.
fn stored(engine: &Engine) -> Result<State, Fault> {
    let stored = engine.get(STATE_KEY)?;
    State::decode(&stored.ok_or_else(|| Fault::Damaged("its state is missing".into()))?)
}

/// A second attempt, without the files that only make sled start faster; `None` where the log
/// itself is damaged.
fn again_without_snapshots(
    dir: &Path,
    options: &Options,
    why: &str,
) -> Result<Option<Found>, Fault> {
    let to = quarantine::snapshots(dir)?;
    tracing::warn!(why, to = %to.display(), "the {} database: retrying", options.name);
    match attempt(dir, options) {
        Ok(found) => Ok(Some(found)),
        Err(Fault::Damaged(why)) => {
            tracing::error!(why, "the {} database is damaged", options.name);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// A sound database may still be an old one: it must not be older than its export or its mark.
fn compare(
    dir: &Path,
    options: &Options,
    found: Found,
    recovery: Recovery,
) -> Result<(Found, Recovery), Fault> {
    let seq = found.state.seq;
    // The header alone is not covered by a checksum: believe it only if the whole file is sound.
    if export::sequence(dir).is_some_and(|exported| exported > seq)
        && export::read(dir, &mut |_, _| Ok(())).is_ok_and(|exported| exported > seq)
    {
        drop(found);
        return restore::restore(dir, options);
    }
    let mark = mark::read(dir);
    if mark > seq {
        let found = restore::flag(found, mark)?;
        return Ok((found, Recovery::Behind { commits: mark - seq }));
    }
    let flagged = found.engine.get(REBUILD_KEY)?.is_some();
    Ok((found, if flagged { Recovery::Unfinished } else { recovery }))
}
