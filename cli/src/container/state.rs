//! What became of a container: told by its monitor in a file, and judged by whether those that it tells of are
//! still alive.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use varve_core::{Error, Result, Timestamp};

use super::place::Place;
use crate::process;

const FORMAT: u32 = 1;
/// The status of a program whose end nobody saw, as Docker has it.
const UNSEEN: u8 = 255;

/// The file's content.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    pub v: u32,
    /// Who watches it, and the program itself (see `process::identity`).
    pub monitor: String,
    pub program: String,
    pub pid: u32,
    pub started_at: Timestamp,
    /// Absent while it runs.
    pub end: Option<End>,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct End {
    pub status: u8,
    pub at: Timestamp,
}

/// What a container is at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Status {
    /// It never ran.
    Created,
    Running {
        pid: u32,
        since: Timestamp,
        watched: bool,
    },
    Exited {
        end: End,
        started: Timestamp,
    },
}

impl State {
    pub fn new(program: u32) -> Result<Self> {
        Ok(Self {
            v: FORMAT,
            monitor: process::identity()?,
            program: process::identity_of(program).unwrap_or_default(),
            pid: program,
            started_at: varve_core::time::now(),
            end: None,
        })
    }

    /// Replaces the file at once: a reader sees the old one or the new one.
    pub fn save(&self, place: &Place) -> Result<()> {
        let failed = |error| Error::io(place.dir().display(), error);
        let bytes = serde_json::to_vec(self)
            .map_err(|error| Error::internal("a container's state").with_source(error))?;
        let new = place.file("state.json.new");
        fs::write(&new, bytes).map_err(failed)?;
        fs::rename(&new, place.file("state.json")).map_err(failed)
    }

    /// It never ran.
    pub fn forget(place: &Place) -> Result<()> {
        let path = place.file("state.json");
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(|error| Error::io(path.display(), error)),
        }
    }

    /// The state of a container that ran; one that cannot be read is none, as after a power cut.
    pub fn load(place: &Place) -> Option<Self> {
        load(&place.file("state.json"))
    }
}

fn load(path: &Path) -> Option<State> {
    let state: State = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (state.v == FORMAT).then_some(state)
}

impl Status {
    /// Looks at the file, and at the processes that it tells of.
    pub fn of(place: &Place) -> Self {
        match State::load(place) {
            Some(state) => Self::judge(state),
            None => Self::Created,
        }
    }

    fn judge(state: State) -> Self {
        let State { pid, started_at, end, .. } = state;
        if let Some(end) = end {
            return Self::Exited { end, started: started_at };
        }
        let watched = !process::is_gone(&state.monitor);
        if watched || !process::is_gone(&state.program) {
            return Self::Running { pid, since: started_at, watched };
        }
        // Killed together with its monitor, or by the end of the machine's boot.
        let end = End { status: UNSEEN, at: started_at };
        Self::Exited { end, started: started_at }
    }

    /// Docker's one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Exited { .. } => "exited",
        }
    }

    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_as_long_as_it_or_its_monitor_lives() {
        let own = process::identity().unwrap();
        let state = |monitor: String, program: String| State {
            monitor,
            program,
            ..State::new(std::process::id()).unwrap()
        };
        let gone = || format!("{own}0");
        assert!(Status::judge(state(own.clone(), gone())).is_running());
        let orphan = Status::judge(state(gone(), own.clone()));
        assert!(matches!(orphan, Status::Running { watched: false, .. }));
        let lost = Status::judge(state(gone(), gone()));
        assert!(matches!(lost, Status::Exited { end: End { status: UNSEEN, .. }, .. }));
    }
}
