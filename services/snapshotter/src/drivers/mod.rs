//! What differs between file systems, and nothing else.
//!
//! A snapshot lives in a directory of its own, `snapshots/ID/`, with its tree in `fs/`. The graph,
//! the contract and the unpacking are written once, above this trait.

mod native;
mod overlayfs;

use std::path::{Path, PathBuf};

use varve_core::snapshots::{Kind, Usage};
use varve_core::{Error, Mount, Result};

pub use native::Native;
pub use overlayfs::Overlayfs;
pub(crate) use overlayfs::merged;

/// One way to keep snapshots. Blocking.
pub trait Driver: Send + Sync + 'static {
    /// The name that requests pick it by.
    fn name(&self) -> &'static str;

    /// Whether layers are stacked when they are mounted: then one can be extracted without its
    /// parent. Otherwise each directory holds the whole tree.
    fn stacks(&self) -> bool;

    /// Refuses a root directory that this driver cannot work in.
    fn check(&self, root: &Path) -> Result<()>;

    /// Fills the new, empty directory `dir` for a snapshot of this kind on `parents` (their
    /// directories, top first).
    fn create(&self, dir: &Path, kind: Kind, parents: &[PathBuf]) -> Result<()>;

    /// How to mount it.
    fn mounts(&self, dir: &Path, kind: Kind, parents: &[PathBuf]) -> Vec<Mount>;

    /// Tidies an active directory that has just been committed.
    fn committed(&self, dir: &Path) -> Result<()>;

    /// What the directory itself costs.
    fn usage(&self, dir: &Path) -> Result<Usage> {
        crate::tree::usage(&dir.join(TREE))
    }
}

/// The tree below a snapshot's directory.
pub(crate) const TREE: &str = "fs";

/// Makes the directory of a tree; umask or not, it is 0755.
pub(crate) fn make_tree(dir: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let tree = dir.join(TREE);
    std::fs::create_dir(&tree)
        .and_then(|()| std::fs::set_permissions(&tree, PermissionsExt::from_mode(0o755)))
        .map_err(|error| Error::io(format!("making {}", tree.display()), error))?;
    Ok(tree)
}

/// A path as mounts carry it. The root was checked to be UTF-8 when it was opened.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
