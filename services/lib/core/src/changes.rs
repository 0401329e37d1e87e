//! The trait that lists what a snapshot changed of its parent, path by path.

use std::path::PathBuf;

use async_trait::async_trait;

use crate::error::Result;
use crate::scope::Scope;

/// Compares snapshots with their parents (varve.snapshots.v1).
#[async_trait]
pub trait Changes: Send + Sync {
    /// Begins to list what leads from the parent of the snapshot `key` to it; all that it has, where
    /// it has no parent; nothing for a view. NotFound where there is no such snapshot.
    async fn changes(&self, scope: &Scope, key: &str) -> Result<Box<dyn Listing>>;
}

/// Changes on their way. Dropping it ends the comparison.
#[async_trait]
pub trait Listing: Send {
    /// The next ones; none only at the end, when the whole tree has been compared.
    ///
    /// A directory comes before what is in it, and what is in it in the order of its names' bytes;
    /// but names of one file, if one of them changed, follow that one. The root is not told, nor what
    /// is below a deleted directory. Aborted where the trees changed meanwhile; ResourceExhausted
    /// where a tree has more names at once than a layer may have entries.
    async fn next(&mut self) -> Result<Vec<Change>>;
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub kind: Kind,
    /// From the tree's root, `/`.
    pub path: PathBuf,
}

/// What became of a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    Added,
    /// Its content, attributes or type; of a directory, its own and not that of what is in it.
    Changed,
    /// With all that was below it.
    Deleted,
}

impl Kind {
    /// As Docker's `diff` marks it.
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Changed => 'C',
            Self::Deleted => 'D',
        }
    }
}
