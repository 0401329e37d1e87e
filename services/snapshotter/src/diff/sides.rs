//! Whose mounts a client named. A path is never opened because a client said so: only mounts that
//! this snapshotter would answer now, for a snapshot of the caller's namespace, are taken.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use varve_core::snapshots::Kind;
use varve_core::{Error, Mount, Namespace, Result};

use super::hints::Hints;
use super::{Sides, View};
use crate::drivers::{Driver, TREE, merged};
use crate::graph::{DirId, Look, Snapshot};
use crate::mounting::open_dir;
use crate::service::Inner;

/// The directories behind both sides, top first; no lower one for an empty tree.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stacks {
    pub lower: Vec<DirId>,
    pub upper: Vec<DirId>,
}

impl<D: Driver> Inner<D> {
    /// The active snapshot or view of `namespace` that `mounts` are those of, if there is one.
    pub fn behind(&self, namespace: &Namespace, mounts: &[Mount]) -> Result<Option<Snapshot>> {
        let [mount] = mounts else { return Ok(None) };
        let Some(top) = self.places.number(Path::new(mount.top())) else { return Ok(None) };
        let seen = self.db.of(namespace)?;
        let dirs: HashMap<_, _> =
            seen.iter().map(|seen| (seen.key.as_str(), seen.snapshot.dir)).collect();
        for snapshot in seen.iter().map(|seen| &seen.snapshot) {
            // A view shows its parent's directory on top.
            let parent = snapshot.parent.as_deref().and_then(|parent| dirs.get(parent));
            let shows = snapshot.dir == top || parent == Some(&top);
            if shows
                && snapshot.kind != Kind::Committed
                && self.mounts_of(namespace, snapshot)? == mounts
            {
                return Ok(Some(snapshot.clone()));
            }
        }
        Ok(None)
    }

    /// The directories that the two lists of mounts show. The lower one may be empty.
    ///
    /// # Errors
    /// InvalidArgument for mounts that are no active snapshot's or view's of this namespace.
    pub fn stacks(
        &self,
        namespace: &Namespace,
        lower: &[Mount],
        upper: &[Mount],
    ) -> Result<Stacks> {
        let stack = |snapshot: &Snapshot| self.stack_of(namespace, snapshot);
        let lower = match lower {
            [] => Vec::new(),
            mounts => match self.known(namespace, mounts, "lower")? {
                // Its directory says when it was made, and means nothing.
                view if view.kind == Kind::View && view.parent.is_none() => Vec::new(),
                snapshot => stack(&snapshot)?,
            },
        };
        Ok(Stacks { lower, upper: stack(&self.known(namespace, upper, "upper")?)? })
    }

    fn known(&self, namespace: &Namespace, mounts: &[Mount], of: &str) -> Result<Snapshot> {
        self.behind(namespace, mounts)?.ok_or_else(|| {
            Error::invalid(format!(
                "the mounts of the {of} tree are not those of an active snapshot or a view of this \
                 snapshotter and namespace"
            ))
        })
    }

    fn stack_of(&self, namespace: &Namespace, snapshot: &Snapshot) -> Result<Vec<DirId>> {
        let mut stack = self.db.stack(namespace, snapshot.parent.as_deref())?;
        if snapshot.kind == Kind::Active || stack.is_empty() {
            stack.insert(0, snapshot.dir);
        }
        if !self.driver.stacks() {
            stack.truncate(1);
        }
        Ok(stack)
    }

    /// Opens both trees, for this process alone.
    pub fn sides(&self, stacks: &Stacks) -> Result<Sides> {
        let Stacks { lower, upper } = stacks;
        let between = upper.len().checked_sub(lower.len()).filter(|_| !lower.is_empty());
        let between = between.filter(|between| upper[*between..] == lower[..]);
        let hints = match between {
            Some(between) => Some(Hints::new(
                upper[..between].iter().map(|dir| self.tree(*dir)).collect::<Result<_>>()?,
            )),
            None => None,
        };
        let lower = match lower.as_slice() {
            [] => None,
            lower => Some(self.shown(lower)?),
        };
        Ok(Sides { lower, upper: self.shown(upper)?, hints })
    }

    fn tree(&self, dir: DirId) -> Result<std::os::fd::OwnedFd> {
        open_dir(CWD, &self.places.snapshot(dir).join(TREE))
    }

    fn shown(&self, stack: &[DirId]) -> Result<View> {
        let dirs: Vec<PathBuf> = stack.iter().map(|dir| self.places.snapshot(*dir)).collect();
        let mount = self.detached(merged(&dirs))?;
        Ok(View::new(mount, self.driver.stacks(), self.config.limits.clone()))
    }
}
