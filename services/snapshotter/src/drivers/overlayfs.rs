//! The driver `overlayfs`: each snapshot holds what it adds, the kernel stacks them at mount.

use std::fs;
use std::path::{Path, PathBuf};

use varve_core::snapshots::Kind;
use varve_core::{Error, Mount, Result};

use super::{Driver, TREE, make_tree, text};
use crate::{mounting, tree};

/// What an overlay writes while it is mounted.
const WORK: &str = "work";

/// Layers that the kernel stacks at most (fs/overlayfs, `OVL_MAX_STACK`).
const MAX_STACK: usize = 500;

/// Stacks trees.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overlayfs;

impl Driver for Overlayfs {
    fn name(&self) -> &'static str {
        "overlayfs"
    }

    fn stacks(&self) -> bool {
        true
    }

    fn check(&self, root: &Path) -> Result<()> {
        let odd = |c: char| matches!(c, ':' | ',' | '\\' | '"') || c.is_control();
        match root.to_str() {
            Some(path) if !path.contains(odd) => {}
            _ => {
                return Err(Error::invalid(format!(
                    "overlayfs cannot work in {}: its mount options cannot carry ':', ',', '\\' \
                     or quotes in a path; choose another root",
                    root.display()
                )));
            }
        }
        mounting::probe(root).map_err(|error| match error.kind() {
            varve_core::Kind::ResourceExhausted => error,
            _ => error.context(format!(
                "overlayfs cannot be mounted on {}; use the snapshotter native",
                root.display()
            )),
        })
    }

    fn create(&self, dir: &Path, kind: Kind, parents: &[PathBuf]) -> Result<()> {
        if parents.len() > MAX_STACK {
            return Err(Error::precondition(format!(
                "overlayfs stacks {MAX_STACK} layers at most, this snapshot would have {}",
                parents.len()
            )));
        }
        let tree = make_tree(dir)?;
        if kind != Kind::Active {
            return Ok(());
        }
        let work = dir.join(WORK);
        fs::create_dir(&work).map_err(|e| Error::io(format!("making {}", work.display()), e))?;
        match parents.first() {
            // The root of the mounted tree is the upper's own root.
            Some(parent) => tree::copy_attributes(&parent.join(TREE), &tree),
            None => Ok(()),
        }
    }

    fn mounts(&self, dir: &Path, kind: Kind, parents: &[PathBuf]) -> Vec<Mount> {
        match (kind, parents) {
            (Kind::View, []) => vec![Mount::bind(text(&dir.join(TREE)), "ro")],
            (_, []) => vec![Mount::bind(text(&dir.join(TREE)), "rw")],
            (Kind::View, [only]) => vec![Mount::bind(text(&only.join(TREE)), "ro")],
            (kind, parents) => vec![overlay(dir, kind, parents)],
        }
    }

    fn committed(&self, dir: &Path) -> Result<()> {
        tree::remove(&dir.join(WORK))
    }
}

fn overlay(dir: &Path, kind: Kind, parents: &[PathBuf]) -> Mount {
    let mut options = vec!["index=off".to_owned()];
    if kind == Kind::Active {
        options.push(format!("workdir={}", text(&dir.join(WORK))));
        options.push(format!("upperdir={}", text(&dir.join(TREE))));
    }
    let lowers: Vec<_> = parents.iter().map(|parent| text(&parent.join(TREE))).collect();
    options.push(format!("lowerdir={}", lowers.join(":")));
    Mount { kind: "overlay".into(), source: "overlay".into(), target: String::new(), options }
}

/// The lower directories' merged view, to be looked at by this process alone.
pub(crate) fn merged(parents: &[PathBuf]) -> Vec<Mount> {
    Overlayfs.mounts(Path::new(""), Kind::View, parents)
}
