//! One image, unpacked by varve and by umoci, entry for entry.

use std::time::SystemTime;

use anyhow::{Context as _, Result};

use crate::command::Varve;
use crate::peers;
use crate::tree::{self, Listing};

/// What `varve mount` shows of `image` (`host:port/repository:tag`), pulled with `snapshotter`.
pub fn varve_tree(varve: &Varve, image: &str, snapshotter: &str) -> Result<Listing> {
    varve_tree_since(varve, image, snapshotter, SystemTime::now())
}

/// The same where times after `begun` are all the same.
pub fn varve_tree_since(
    varve: &Varve,
    image: &str,
    snapshotter: &str,
    begun: SystemTime,
) -> Result<Listing> {
    varve.run(&["pull", "--quiet", "--plain-http", "--snapshotter", snapshotter, image])?;
    let target = tempfile::tempdir()?;
    let directory = target.path().to_str().context("a temporary directory is UTF-8")?;
    varve.run(&["mount", "--snapshotter", snapshotter, image, directory])?;
    let listing = tree::list(target.path(), begun);
    varve.run(&["unmount", directory])?;
    Ok(listing?)
}

/// What umoci unpacks of the same image.
pub fn umoci_tree(registry: &str, image: &str) -> Result<Listing> {
    umoci_tree_since(registry, image, SystemTime::now())
}

/// The same where times after `begun` are all the same.
pub fn umoci_tree_since(registry: &str, image: &str, begun: SystemTime) -> Result<Listing> {
    let work = tempfile::tempdir()?;
    let root = peers::umoci_unpack(registry, image, work.path())?;
    Ok(tree::list(&root, begun)?)
}
