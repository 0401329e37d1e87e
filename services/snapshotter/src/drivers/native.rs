//! The driver `native`: each snapshot is a whole copy. Slow and large, and works everywhere,
//! without root too; reflinks make it cheap where the file system has them.

use std::path::{Path, PathBuf};

use varve_core::snapshots::Kind;
use varve_core::{Mount, Result};

use super::{Driver, TREE, make_tree, text};
use crate::tree;

/// Copies trees.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Driver for Native {
    fn name(&self) -> &'static str {
        "native"
    }

    fn stacks(&self) -> bool {
        false
    }

    fn check(&self, _root: &Path) -> Result<()> {
        Ok(())
    }

    fn create(&self, dir: &Path, kind: Kind, parents: &[PathBuf]) -> Result<()> {
        let tree = make_tree(dir)?;
        match (kind, parents.first()) {
            // A view on a parent is the parent's own tree, mounted read-only.
            (Kind::View, _) | (_, None) => Ok(()),
            (_, Some(parent)) => tree::copy(&parent.join(TREE), &tree),
        }
    }

    fn mounts(&self, dir: &Path, kind: Kind, parents: &[PathBuf]) -> Vec<Mount> {
        let (source, mode) = match (kind, parents.first()) {
            (Kind::View, Some(parent)) => (parent.join(TREE), "ro"),
            (Kind::View, None) => (dir.join(TREE), "ro"),
            _ => (dir.join(TREE), "rw"),
        };
        vec![Mount::bind(text(&source), mode)]
    }

    fn committed(&self, _dir: &Path) -> Result<()> {
        Ok(())
    }
}
