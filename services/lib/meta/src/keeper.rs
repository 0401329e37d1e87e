//! What the writer thread keeps: the state of the last commit, whether another one may be tried,
//! and when the next export is due.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use varve_core::{Error, Kind, Result};

use crate::db::Core;
use crate::engine::Engine;
use crate::export;
use crate::mark;
use crate::record::{self, RESERVED};
use crate::state::{STATE_KEY, State};
use crate::tx::{Pending, Tx};
use crate::undo::UndoFile;
use crate::writer::Lasts;

/// More old values than this are not kept for the undo file: then it is time to sync.
const UNSYNCED: usize = 1024;

/// Above this many changed records the export is written anew.
const FEW: usize = 4096;

/// Below this many free bytes nothing but deletions is written: sled does not come back from a
/// disk that fills up in the middle of its log.
const RESERVE: u64 = 4 * 1024 * 1024;

pub(crate) struct Keeper {
    core: Arc<Core>,
    state: State,
    mark: File,
    undo: UndoFile,
    /// What was before the groups that are applied and not on the disk yet.
    unsynced: Option<(State, Pending)>,
    broken: Option<(Kind, String)>,
    exported: Option<u64>,
    /// What was changed since then; `None` where that is not known, or much.
    changed: Option<BTreeSet<Vec<u8>>>,
    export_every: Duration,
    export_due: Instant,
}

impl Keeper {
    /// A keeper of a database whose last commit is `state` and whose export has `exported`.
    pub fn new(
        core: Arc<Core>,
        state: State,
        exported: Option<u64>,
        export_every: Duration,
    ) -> Result<Self> {
        let mark = mark::open(core.dir()).map_err(|fault| fault.about("the sequence mark"))?;
        let undo = UndoFile::open(core.dir()).map_err(|fault| fault.about("the undo file"))?;
        let export_due = Instant::now() + export_every;
        Ok(Self {
            core,
            state,
            mark,
            undo,
            unsynced: None,
            broken: None,
            changed: (exported == Some(state.seq)).then(BTreeSet::new),
            exported,
            export_every,
            export_due,
        })
    }

    /// A view for the next group.
    pub fn begin(&self) -> Tx {
        let full = rustix::fs::statvfs(self.core.dir())
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < RESERVE);
        Tx::new(Arc::clone(&self.core), full)
    }

    /// Commits the changes of a group. Where they last now, they and all before them are on the disk
    /// when this returns; or it is an error and nothing more is written.
    pub fn commit(&mut self, changes: Pending, lasts: Lasts) -> Result<()> {
        if !changes.is_empty() {
            self.check()?;
            if let Some((batch, state, old)) = self.batch(changes)? {
                self.note(&old);
                self.keep(old)?;
                let applied = self.core.change(|engine| engine.apply(batch));
                self.or_broken(applied)?;
                self.state = state;
            }
        }
        match lasts {
            Lasts::Now => self.sync(),
            Lasts::Later if self.unsynced.as_ref().is_some_and(|(_, old)| old.len() > UNSYNCED) => {
                self.sync()
            }
            Lasts::Later => Ok(()),
        }
    }

    /// Remembers what the next export has to tell.
    fn note(&mut self, old: &Pending) {
        if let Some(changed) = &mut self.changed {
            changed.extend(old.keys().filter(|key| key.first() != Some(&RESERVED)).cloned());
        }
        self.changed.take_if(|changed| changed.len() > FEW);
    }

    /// Adds the old values to the undo file, which goes back to what is on the disk.
    fn keep(&mut self, old: Pending) -> Result<()> {
        let state = self.state;
        let (state, before) = self.unsynced.get_or_insert_with(|| (state, Pending::new()));
        for (key, value) in old {
            before.entry(key).or_insert(value);
        }
        self.undo
            .keep(state, before)
            .map_err(|error| Error::io(format!("the undo file of {}", self.core.name()), error))
    }

    /// Makes all that was applied last.
    fn sync(&mut self) -> Result<()> {
        if self.unsynced.is_none() {
            return Ok(());
        }
        self.check()?;
        let synced = self.core.read(|| "syncing".into(), Engine::sync);
        self.or_broken(synced)?;
        self.unsynced = None;
        // Only a lower bound for the next open, and written after the sync: it need not be synced.
        let _ = self.mark.write_all_at(&mark::encode(self.state.seq), 0);
        Ok(())
    }

    fn or_broken(&mut self, result: Result<()>) -> Result<()> {
        result.inspect_err(|error| {
            tracing::error!(error = %error.chain(), database = self.core.name(), "a commit failed");
            self.broken = Some((error.kind(), error.chain()));
        })
    }

    /// Refuses once a commit has failed: what is on the disk then is known only after an open.
    fn check(&self) -> Result<()> {
        match &self.broken {
            None => Ok(()),
            Some((kind, why)) => Err(Error::new(
                *kind,
                format!(
                    "the {} database refuses writes since one failed ({why}); restart varve",
                    self.core.name()
                ),
            )),
        }
    }

    /// The batch for what `changes` really change, the state after it, and the values before it;
    /// `None` for nothing.
    fn batch(&self, changes: Pending) -> Result<Option<(sled::Batch, State, Pending)>> {
        let mut batch = sled::Batch::default();
        let mut state = self.state;
        let mut before = Pending::new();
        for (key, new) in changes {
            let old = self.core.get(&key)?;
            if old == new {
                continue;
            }
            if let Some(old) = &old {
                state.remove(&key, old);
            }
            match new {
                Some(new) => {
                    state.add(&key, &new);
                    batch.insert(key.as_slice(), record::seal(&key, &new));
                }
                None => batch.remove(key.as_slice()),
            }
            before.insert(key, old);
        }
        state.seq += 1;
        batch.insert(STATE_KEY, record::seal(STATE_KEY, &state.encode()));
        Ok((!before.is_empty()).then_some((batch, state, before)))
    }

    /// How long until there is something to do where nobody asks for anything; `None` for nothing.
    pub fn rest_in(&self) -> Option<Duration> {
        if self.broken.is_some() {
            return None;
        }
        let until = self.export_due.saturating_duration_since(Instant::now());
        match (&self.unsynced, self.exported != Some(self.state.seq)) {
            (Some(_), _) => Some(Duration::ZERO),
            (None, stale) => stale.then_some(until),
        }
    }

    /// Does it: syncs, and exports where that is due.
    pub fn rest(&mut self) {
        // A failure was logged, and is told to the next write.
        if self.sync().is_ok() && Instant::now() >= self.export_due {
            self.export_or_log();
        }
    }

    /// Writes the export, if it lacks anything and the database is sound.
    pub fn export(&mut self) -> Result<()> {
        if self.broken.is_some() || self.exported == Some(self.state.seq) {
            return Ok(());
        }
        self.export_due = Instant::now() + self.export_every;
        // An export that is newer than the database would replace it at the next open.
        self.sync()?;
        if !self.append()? {
            export::write(&self.core, &self.state)?;
        }
        self.exported = Some(self.state.seq);
        self.changed = Some(BTreeSet::new());
        Ok(())
    }

    /// Writes what was changed behind the export, where that will do. Nothing is known of what was
    /// changed once this has failed.
    fn append(&mut self) -> Result<bool> {
        match (self.exported, self.changed.take()) {
            (Some(exported), Some(changed)) => {
                export::more::append(&self.core, exported, &self.state, &changed)
            }
            _ => Ok(false),
        }
    }

    /// Exports, and answers the state of a database that is sound and has nothing left to write.
    pub fn close(&mut self) -> Result<Option<State>> {
        self.export()?;
        Ok(self.broken.is_none().then_some(self.state))
    }

    /// [`Keeper::export`] where nobody waits for it.
    pub fn export_or_log(&mut self) {
        if let Err(error) = self.export() {
            tracing::warn!(error = %error.chain(), database = self.core.name(), "export failed");
        }
    }
}
