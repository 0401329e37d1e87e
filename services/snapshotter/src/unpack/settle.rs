//! A layer that was extracted without its parent meets it: the directories that it only implies get
//! what the parent says of them.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use varve_core::{Error, Result};

use crate::apply::{ImpliedDir, Tree};
use crate::tree;

/// Whether the staged tree is now what applying in order would have made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Settled {
    Done,
    /// What the layer takes for a directory is something else below: apply it in order.
    NeedsParent,
}

/// Looks up in `parent`, the merged view of the layers below, what `staged` takes for directories of
/// it. One that is implied gets its attributes from there; one that is not there stays as it is, or
/// goes where only whiteouts are in it. All are looked up before any is changed.
pub(super) fn settle(staged: impl AsFd, parent: impl AsFd, laid: &Tree) -> Result<Settled> {
    if !all_below(&parent, laid)? {
        return Ok(Settled::NeedsParent);
    }
    let implied: &[ImpliedDir] = &laid.implied_dirs;
    let mut found = Vec::with_capacity(implied.len());
    for dir in implied {
        found.push(look_up(&parent, &dir.path)?);
    }
    if found.contains(&Found::Other) {
        return Ok(Settled::NeedsParent);
    }
    let pairs = || implied.iter().zip(&found);
    for (dir, _) in pairs().filter(|(dir, found)| dir.hollow && **found == Found::Nothing) {
        remove(&staged, &dir.path).map_err(|errno| failed(&dir.path, errno))?;
    }
    for (dir, _) in pairs().filter(|(_, found)| **found == Found::Directory) {
        let from = tree::open_below(&parent, &dir.path);
        let to = tree::open_below(&staged, &dir.path);
        from.and_then(|from| tree::transfer(from, to?))
            .map_err(|errno| failed(&dir.path, errno))?;
    }
    Ok(Settled::Done)
}

/// Whether the directories that must be below are.
fn all_below(parent: impl AsFd, laid: &Tree) -> Result<bool> {
    for dir in &laid.parent_dirs {
        if look_up(&parent, dir.as_path())? != Found::Directory {
            return Ok(false);
        }
    }
    Ok(true)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Directory,
    /// A link on the way, or another thing than a directory.
    Other,
}

fn look_up(parent: impl AsFd, path: &Path) -> Result<Found> {
    let open = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = match tree::open_with(parent, path, open) {
        Err(Errno::NOENT) => return Ok(Found::Nothing),
        Err(Errno::LOOP | Errno::NOTDIR) => return Ok(Found::Other),
        found => found.and_then(rustix::fs::fstat),
    };
    let stat = found.map_err(|errno| failed(path, errno))?;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Ok(if directory { Found::Directory } else { Found::Other })
}

/// Removes a hollow directory, and leaves the times of what holds it. One above it may have gone
/// with it before.
fn remove(staged: impl AsFd, path: &Path) -> Result<(), Errno> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    let above = match tree::open_below(staged, above) {
        Err(Errno::NOENT) => return Ok(()),
        above => above?,
    };
    let stat = rustix::fs::fstat(&above)?;
    tree::remove_at(&above, Path::new(name))?;
    rustix::fs::futimens(&above, &tree::times(&stat))
}

fn failed(path: &Path, errno: Errno) -> Error {
    Error::io(format!("settling the directory {}", path.display()), errno.into())
}
