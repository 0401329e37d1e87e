//! The quarantine: damaged files are moved here, for a person to look at, and never deleted in
//! haste.

use std::fs;
use std::path::{Path, PathBuf};

use varve_core::Timestamp;

use crate::engine::{names, sync};
use crate::export;
use crate::fault::Fault;
use crate::open::sled_dir;

/// How many quarantined databases are kept; the oldest goes first.
const KEPT: usize = 8;

fn root(dir: &Path) -> PathBuf {
    dir.join("quarantine")
}

/// Whether the database in `dir` was ever put aside.
pub(crate) fn holds_any(dir: &Path) -> bool {
    names(&root(dir)).is_ok_and(|names| !names.is_empty())
}

/// Moves sled's snapshots and its `conf` aside: it makes both anew.
pub(crate) fn snapshots(dir: &Path) -> Result<PathBuf, Fault> {
    let to = room(dir)?;
    let sled = sled_dir(dir);
    for name in names(&sled)? {
        if name == "conf" || name.to_string_lossy().starts_with("snap.") {
            rename(&sled.join(&name), &to.join(&name))?;
        }
    }
    sync(&to)?;
    sync(&sled)?;
    Ok(to)
}

/// Moves the whole database aside, if it is there, and the export if it is of no use.
pub(crate) fn database(dir: &Path, export_too: bool) -> Result<PathBuf, Fault> {
    let to = room(dir)?;
    let (export, more) = (export::path(dir), export::more::path(dir));
    for (from, name) in [(sled_dir(dir), "sled"), (export, "export"), (more, "export.more")] {
        if from.exists() && (name == "sled" || export_too) {
            rename(&from, &to.join(name))?;
        }
    }
    sync(&to)?;
    sync(dir)?;
    Ok(to)
}

fn rename(from: &Path, to: &Path) -> Result<(), Fault> {
    fs::rename(from, to).map_err(|error| Fault::io(from, error))
}

/// A new, empty directory in the quarantine, named by the time.
fn room(dir: &Path) -> Result<PathBuf, Fault> {
    let root = root(dir);
    fs::create_dir_all(&root).map_err(|error| Fault::io(&root, error))?;
    prune(&root)?;
    let now = Timestamp::now().strftime("%Y%m%dT%H%M%S%.9fZ").to_string();
    let room = root.join(now);
    fs::create_dir(&room).map_err(|error| Fault::io(&room, error))?;
    sync(&root)?;
    sync(dir)?;
    Ok(room)
}

fn prune(root: &Path) -> Result<(), Fault> {
    let rooms = names(root)?;
    for old in rooms.iter().take((rooms.len() + 1).saturating_sub(KEPT)) {
        let path = root.join(old);
        fs::remove_dir_all(&path).map_err(|error| Fault::io(&path, error))?;
    }
    Ok(())
}
