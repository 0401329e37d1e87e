//! Names of one file. A layer that tells one of them anew makes a new file, so that it must tell all
//! that lead to it; and a name that leads elsewhere than before is told though nothing else changed.

use std::collections::{HashMap, HashSet};

use super::TreePath;
use super::view::{Inode, Node};

/// What was seen of files with several names; remembers only those.
#[derive(Default)]
pub(super) struct Links {
    /// Files of the upper tree of which a name was told.
    told: HashSet<Inode>,
    /// Names that are as they were, of files of which none was told.
    waiting: HashMap<Inode, Vec<TreePath>>,
    /// Which file of the upper tree one of the lower tree is, by their names that are as they were.
    above: HashMap<Inode, Inode>,
    below: HashMap<Inode, Inode>,
    /// How many names ever waited.
    names: usize,
}

impl Links {
    /// How many files and names it remembers, more or less.
    pub fn len(&self) -> usize {
        self.told.len() + self.above.len() + self.names
    }

    /// Says that `path` is as it was, but for what it is linked with. Whether it must be told for that.
    pub fn unchanged(&mut self, path: &TreePath, lower: &Node, upper: &Node) -> bool {
        let (low, high) = (lower.inode, upper.inode);
        if self.told.contains(&high)
            || self.above.get(&low).is_some_and(|known| *known != high)
            || self.below.get(&high).is_some_and(|known| *known != low)
        {
            return true;
        }
        self.above.insert(low, high);
        self.below.insert(high, low);
        if upper.linked {
            self.names += 1;
            self.waiting.entry(high).or_default().push(path.clone());
        }
        false
    }

    /// Says that a name of `upper` was told; answers those that must be told with it.
    pub fn told(&mut self, upper: &Node) -> Vec<TreePath> {
        self.told.insert(upper.inode);
        self.waiting.remove(&upper.inode).unwrap_or_default()
    }
}
