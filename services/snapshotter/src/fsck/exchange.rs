//! A damaged tree's place is taken by one that was laid down anew.

use std::fs;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use varve_core::snapshots::Kind;
use varve_core::{Error, Result};

use crate::drivers::{Driver, TREE};
use crate::graph::{Change, DirId, Look, dir_key, encode};
use crate::service::Inner;
use crate::unpack::Verified;

impl<D: Driver> Inner<D> {
    /// Puts the staged tree in the place of a snapshot's; what was there goes.
    ///
    /// # Errors
    /// FailedPrecondition while an active snapshot or a view shows the tree that is there.
    pub(super) fn exchange(&self, key: &str, dir: DirId, laid: Verified) -> Result<()> {
        let place = self.places.snapshot(dir);
        let tree = place.join(TREE);
        if tree.is_dir()
            && let Some(user) = self.shown_by(dir)?
        {
            return Err(Error::precondition(format!(
                "snapshot {key}: {user} shows its tree: remove that, and repair again"
            )));
        }
        // Before it is there: what a power cut leaves of it is not believed.
        self.unsync(dir)?;
        if !place.is_dir() {
            fs::create_dir(&place).map_err(failed(&place))?;
        }
        swap(&laid.staged.path().join(TREE), &tree)?;
        self.syncer.changed();
        Ok(())
    }

    /// An active snapshot or a view in whose mount the directory is.
    fn shown_by(&self, dir: DirId) -> Result<Option<String>> {
        for seen in self.db.everything()? {
            let copies = seen.snapshot.kind == Kind::Active && !self.driver.stacks();
            if seen.snapshot.kind == Kind::Committed || copies {
                continue;
            }
            let below = self.db.stack(&seen.namespace, seen.snapshot.parent.as_deref())?;
            if below.contains(&dir) {
                return Ok(Some(format!(
                    "{} {:?}",
                    seen.snapshot.kind.as_str().to_lowercase(),
                    seen.key
                )));
            }
        }
        Ok(None)
    }

    fn unsync(&self, id: DirId) -> Result<()> {
        let boot = self.boot.clone();
        self.db.write_blocking(move |tx| {
            let mut dir = tx.dir(id)?;
            (dir.synced, dir.boot) = (false, boot);
            tx.put(&dir_key(id), encode(&dir)?)
        })
    }

    /// Compares the number of snapshots that each directory is said to have with those that have it.
    pub(super) fn recount(&self, repair: bool) -> Result<Vec<(DirId, u64, u64)>> {
        self.db.write_blocking(move |tx| {
            let mut wrong = Vec::new();
            let all = tx.everything()?;
            for (id, mut dir) in tx.dirs()? {
                let have = all.iter().filter(|seen| seen.snapshot.dir == id).count() as u64;
                match (have == dir.edges, have, repair) {
                    (true, ..) | (_, 0, false) => continue,
                    // A tree without a snapshot's record is told of as that.
                    (_, 0, true) => tx.forget_dir(id)?,
                    (_, have, repair) => {
                        wrong.push((id, dir.edges, have));
                        dir.edges = have;
                        if repair {
                            tx.put(&dir_key(id), encode(&dir)?)?;
                        }
                    }
                }
            }
            Ok(wrong)
        })
    }
}

/// Exchanges two trees, at once where the file system can.
fn swap(new: &Path, old: &Path) -> Result<()> {
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Ok(()) => return Ok(()),
        Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {}
        Err(errno) => return Err(failed(old)(errno.into())),
    }
    if old.symlink_metadata().is_ok() {
        fs::rename(old, new.with_extension("old")).map_err(failed(old))?;
    }
    fs::rename(new, old).map_err(failed(old))
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::io(format!("putting a tree in place at {}", path.display()), error)
}
