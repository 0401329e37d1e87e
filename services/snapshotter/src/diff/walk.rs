//! Two trees, side by side.

use std::ffi::OsString;

use super::compare::Pair;
use super::hints::Hints;
use super::links::Links;
use super::view::{Node, bytes};
use super::{Change, DiffError, Kind, Rules, TreePath, View};

/// What is compared.
pub(crate) struct Sides {
    /// `None` for an empty tree.
    pub lower: Option<View>,
    pub upper: View,
    /// Where to look, if that is known; else everywhere.
    pub hints: Option<Hints>,
}

/// Who is told.
pub(crate) type See<'a> = dyn FnMut(Change) -> Result<(), DiffError> + 'a;

/// Tells `see` all that leads from the lower tree to the upper one: a directory before what is in it,
/// and what is in it in the order of its names' bytes; but names of one file, if one of them changed,
/// follow that one. The root is told like any directory. What is below a deleted directory is not told,
/// nor what was below one that is no directory any more.
///
/// Holds the names that are left of each directory on one path of the tree, from the root down, and the
/// paths of files with several names; ResourceExhausted where these are more than a layer may have
/// entries. So it does not grow with the tree.
pub(crate) fn walk(sides: Sides, rules: &Rules, see: &mut See<'_>) -> Result<(), DiffError> {
    Walk { sides, rules, see, links: Links::default(), names: 0 }.run()
}

struct Walk<'a, 'b> {
    sides: Sides,
    rules: &'a Rules,
    see: &'a mut See<'b>,
    links: Links,
    /// Those that the open directories were listed with.
    names: usize,
}

/// A directory of the upper tree that is being walked.
struct Frame {
    path: TreePath,
    /// What is still to be looked at.
    names: std::vec::IntoIter<OsString>,
    /// How many there were.
    listed: usize,
    how: How,
}

#[derive(Clone, Copy)]
struct How {
    /// The lower tree has this directory too.
    both: bool,
    /// What the hints say does not matter any more.
    all: bool,
}

impl Walk<'_, '_> {
    fn run(&mut self) -> Result<(), DiffError> {
        let how = How { both: self.sides.lower.is_some(), all: self.sides.hints.is_none() };
        let mut frames: Vec<_> = self.entry(TreePath::root(), how)?.into_iter().collect();
        while let Some(frame) = frames.last_mut() {
            match frame.names.next() {
                None => {
                    self.names -= frame.listed;
                    frames.pop();
                }
                Some(name) => {
                    let (path, how) = (frame.path.join(bytes(&name)), frame.how);
                    frames.extend(self.entry(path, how)?);
                }
            }
        }
        Ok(())
    }

    /// Compares one path, and answers the directory to go on with.
    fn entry(&mut self, path: TreePath, how: How) -> Result<Option<Frame>, DiffError> {
        self.rules.check()?;
        let below = self.sides.lower.as_mut().filter(|_| how.both);
        let lower = below.map(|lower| lower.node(&path)).transpose()?.flatten();
        let Some(upper) = self.sides.upper.node(&path)? else {
            if lower.is_some() {
                self.tell(Kind::Deleted, path, false)?;
            }
            return Ok(None);
        };
        let kind = match &lower {
            None => Some(Kind::Added),
            Some(lower) => self.differs(&path, lower, &upper)?.then_some(Kind::Changed),
        };
        if let Some(kind) = kind {
            self.tell_with_links(kind, path.clone(), &upper)?;
        }
        if !upper.is_dir() {
            return Ok(None);
        }
        let how = How { both: lower.is_some_and(|lower| lower.is_dir()), ..how };
        self.frame(path, how).map(Some)
    }

    fn differs(&mut self, path: &TreePath, lower: &Node, upper: &Node) -> Result<bool, DiffError> {
        let Some(below) = &mut self.sides.lower else { return Ok(true) };
        let pair = Pair { path, lower, upper };
        if !pair.is_same(below, &mut self.sides.upper, self.rules)? {
            return Ok(true);
        }
        if !lower.linked && !upper.linked {
            return Ok(false);
        }
        // Overlayfs copied it up by this name alone, so that it has left the others.
        let parted = self.sides.hints.is_some() && lower.linked;
        Ok(parted || self.links.unchanged(path, lower, upper))
    }

    /// Lists what is to be compared in a directory.
    fn frame(&mut self, path: TreePath, how: How) -> Result<Frame, DiffError> {
        let hint = self.sides.hints.as_ref().map(|hints| hints.at(&path)).transpose()?;
        let hint = hint.unwrap_or_default();
        let how = How { all: how.all || hint.all, ..how };
        let mut names = hint.names;
        if how.all || !how.both {
            names = self.sides.upper.names(&path)?;
            if let Some(lower) = self.sides.lower.as_mut().filter(|_| how.both) {
                names.extend(lower.names(&path)?);
            }
        }
        names.sort_unstable();
        names.dedup();
        self.names += names.len();
        self.check_held()?;
        Ok(Frame { path, listed: names.len(), names: names.into_iter(), how })
    }

    fn check_held(&self) -> Result<(), DiffError> {
        let (held, most) = (self.names + self.links.len(), self.rules.limits.entries);
        match held as u64 > most {
            true => Err(DiffError::limit("more names to be remembered at once", most)),
            false => Ok(()),
        }
    }

    fn tell_with_links(
        &mut self,
        kind: Kind,
        path: TreePath,
        node: &Node,
    ) -> Result<(), DiffError> {
        self.tell(kind, path, false)?;
        if node.linked {
            for path in self.links.told(node) {
                self.tell(Kind::Changed, path, true)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, kind: Kind, path: TreePath, aside: bool) -> Result<(), DiffError> {
        (self.see)(Change { kind, path, aside })
    }
}
