//! Sets of paths: what this layer made or emptied, and the directories that it implies.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};

use super::super::{ImpliedDir, TreePath};

/// A set of paths that keeps eight bytes of each: a keyed hash, which no archive can aim at.
#[derive(Default)]
pub(super) struct Marks {
    hashes: HashSet<u64>,
    key: RandomState,
}

impl Marks {
    /// Adds a path; whether it was new.
    pub(super) fn add(&mut self, path: &TreePath) -> bool {
        self.hashes.insert(self.hash(path))
    }

    pub(super) fn has(&self, path: &TreePath) -> bool {
        self.hashes.contains(&self.hash(path))
    }

    /// Whether it has the path, or a directory above it. Each byte is hashed once, however deep it is.
    pub(super) fn has_any_above(&self, path: &TreePath) -> bool {
        let mut hasher = self.key.build_hasher();
        let mut found = self.hashes.contains(&hasher.finish());
        for (number, part) in path.components().enumerate() {
            if number > 0 {
                hasher.write(b"/");
            }
            hasher.write(part.as_encoded_bytes());
            found |= self.hashes.contains(&hasher.finish());
        }
        found
    }

    /// Of its bytes alone, so that a path's is on the way to that of what is below it.
    fn hash(&self, path: &TreePath) -> u64 {
        let mut hasher = self.key.build_hasher();
        hasher.write(path.as_bytes());
        hasher.finish()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Adds a path and the directories above it.
    pub(super) fn add_with_ancestors(&mut self, path: &TreePath) {
        let mut path = path.clone();
        // Where a path is, its ancestors are too.
        while self.add(&path) && !path.is_root() {
            path.pop();
        }
    }
}

/// Directories that something is in and no entry describes (yet), and whether nothing but
/// whiteouts is in them; and those that must be directories in the parent too.
#[derive(Default)]
pub(super) struct Implied {
    dirs: BTreeMap<TreePath, bool>,
    below: BTreeSet<TreePath>,
    /// Of all names that were ever added.
    bytes: usize,
}

impl Implied {
    pub(super) fn add(&mut self, path: TreePath, hollow: bool) {
        if !hollow {
            self.fill(&path.parent());
        }
        self.bytes += path.as_bytes().len();
        self.dirs.insert(path, hollow);
    }

    /// Bytes of the names that are remembered, at most.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Something that is no whiteout is now in `path`.
    pub(super) fn fill(&mut self, path: &TreePath) {
        let mut path = path.clone();
        while let Some(hollow) = self.dirs.get_mut(&path).filter(|hollow| **hollow) {
            *hollow = false;
            path.pop();
        }
    }

    /// An entry describes `path`.
    pub(super) fn described(&mut self, path: &TreePath) {
        if self.dirs.remove(path).is_some() {
            self.needs_below(path);
        }
    }

    /// `path` and all below it is gone; whether something implied was there, which may have
    /// belonged elsewhere.
    pub(super) fn gone(&mut self, path: &TreePath) -> bool {
        self.remove(self.within(path, |_, _| true))
    }

    /// What holds nothing but whiteouts below `path` is gone; whether there was any.
    pub(super) fn hollow_gone(&mut self, path: &TreePath) -> bool {
        self.remove(self.within(path, |dir, hollow| hollow && dir != path))
    }

    fn remove(&mut self, dirs: Vec<TreePath>) -> bool {
        for dir in &dirs {
            self.dirs.remove(dir);
        }
        !dirs.is_empty()
    }

    /// A whiteout was made in `dir`.
    pub(super) fn holds_whiteout(&mut self, dir: &TreePath) {
        self.needs_below(dir);
    }

    fn needs_below(&mut self, dir: &TreePath) {
        if !self.below.contains(dir) {
            self.bytes += dir.as_bytes().len();
            self.below.insert(dir.clone());
        }
    }

    /// Those of `path` and below it that are wanted.
    fn within(&self, path: &TreePath, wanted: impl Fn(&TreePath, bool) -> bool) -> Vec<TreePath> {
        let itself = self.dirs.get_key_value(path).into_iter();
        // What is below begins with its name and a slash; beside it stand any number of names that only begin alike.
        let below = self.dirs.range(path.join(b"")..).take_while(|(dir, _)| dir.is_within(path));
        let below = below.filter(|(dir, _)| *dir != path);
        let within = itself.chain(below).filter(|(dir, hollow)| wanted(dir, **hollow));
        within.map(|(dir, _)| dir.clone()).collect()
    }

    /// What must be a directory in the parent; hollow ones go where they are not.
    pub(super) fn must_be_below(&self) -> Vec<TreePath> {
        let hollow = |dir: &&TreePath| self.dirs.get(*dir).copied().unwrap_or(false);
        self.below.iter().filter(|dir| !dir.is_root() && !hollow(dir)).cloned().collect()
    }

    pub(super) fn list(&self, root_described: bool) -> Vec<ImpliedDir> {
        let root = (!root_described)
            .then(|| ImpliedDir { path: TreePath::root().as_path().into(), hollow: false });
        let dirs = self
            .dirs
            .iter()
            .map(|(path, hollow)| ImpliedDir { path: path.as_path().into(), hollow: *hollow });
        root.into_iter().chain(dirs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_from_any_depth_below_it_and_from_nowhere_else() {
        let path = |text: &str| {
            text.split('/')
                .filter(|part| !part.is_empty())
                .fold(TreePath::root(), |path, part| path.join(part.as_bytes()))
        };
        let mut marks = Marks::default();
        assert!(!marks.has_any_above(&path("a")));
        assert!(marks.add(&path("a/bc")) && !marks.add(&path("a/bc")));
        for below in ["a/bc", "a/bc/d", "a/bc/d/e/f"] {
            assert!(marks.has_any_above(&path(below)), "{below}");
        }
        for other in ["", "a", "a/b", "a/bcd", "ab/c", "a/b/c", "a/bc2/x"] {
            assert!(!marks.has_any_above(&path(other)), "{other}");
        }
        assert!(marks.add(&TreePath::root()) && marks.has_any_above(&path("x/y")));
    }
}
