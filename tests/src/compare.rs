//! One image, unpacked by varve and by umoci, entry for entry.

use std::time::SystemTime;

use anyhow::{Context as _, Result};

use crate::command::Varve;
use crate::peers;
use crate::tree::{self, Listing};

/// What `varve mount` shows of `image` (`host:port/repository:tag`), pulled with `snapshotter`.
pub fn varve_tree(varve: &Varve, image: &str, snapshotter: &str) -> Result<Listing> {
    let begun = SystemTime::now();
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
    let begun = SystemTime::now();
    let work = tempfile::tempdir()?;
    let root = peers::umoci_unpack(registry, image, work.path())?;
    Ok(tree::list(&root, begun)?)
}
