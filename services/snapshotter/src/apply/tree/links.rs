//! Hard links: both names are looked up within the root, and neither's last part is followed.

use std::ffi::OsStr;

use rustix::fs::{self, AtFlags};
use rustix::io::Errno;

use super::super::{ApplyError, Entry, TreePath};
use super::open::Parent;
use super::place::Unmade;
use super::resolve::Missing;
use super::{TreeSink, is_dir, is_whiteout, look};

impl TreeSink {
    pub(super) fn hard_link(&mut self, entry: &Entry, target: &TreePath) -> Result<(), ApplyError> {
        let from = self.dir(&target.parent(), Missing::Skip)?;
        let Some(from) = from.filter(|from| self.can_link(from, target.name())) else {
            return self.missing(entry, target);
        };
        let into = self.parent(&entry.path)?;
        let (name, old) = (entry.path.name(), target.name());
        if from.path == into.path && old == name {
            return Err(ApplyError::refused(&entry.path, "it is a hard link to itself"));
        }
        let link = || fs::linkat(&from.fd, old, &into.fd, name, AtFlags::empty());
        match self.make(&into, entry, link) {
            Ok(()) => {
                self.placed(&into, entry);
                Ok(())
            }
            Err(Unmade::Call(Errno::NOENT)) => self.missing(entry, target),
            Err(Unmade::Call(Errno::PERM | Errno::ISDIR)) if is_dir(&from, old) => {
                let why = format!("it is a hard link to the directory {target:?}");
                Err(ApplyError::refused(&entry.path, why))
            }
            Err(error) => Err(error.told("making the hard link", &entry.path)),
        }
    }

    /// A whiteout is no file.
    fn can_link(&self, from: &Parent, name: &OsStr) -> bool {
        let stat = if self.is_overlay() { look(from, name) } else { Ok(None) };
        !stat.is_ok_and(|stat| stat.is_some_and(|stat| is_whiteout(&stat)))
    }

    /// The other name of a hard link is not here: in a layer below, or nowhere.
    fn missing(&mut self, entry: &Entry, target: &TreePath) -> Result<(), ApplyError> {
        if !self.is_overlay() {
            let why = format!("it is a hard link to {target:?}, which is not there");
            return Err(ApplyError::refused(&entry.path, why));
        }
        self.tree.missing_links.push(target.clone());
        self.tree.needs_parent = true;
        Ok(())
    }
}
