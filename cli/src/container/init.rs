//! What a container's tree has of Varve: empty places for what is mounted over it. They are in a snapshot of their own
//! between the image's tree and the container's, so that what the container changed is its program's doing alone.

use std::path::Path;

use varve_core::snapshots::NewSnapshot;
use varve_core::{Error, Kind, Labels, Mount, Result, ResultExt, Scope};
use varve_snapshotter::mounting;

use super::below::Below;
use super::place::{self, Place};
use super::spec::FILES;
use crate::services::Snapshotter;

/// Mount points of the runtime. One that is a link in the image would lead it elsewhere (CVE-2026-41579).
const DIRS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Has all of them in a tree.
pub fn places(below: &Below) -> Result<()> {
    DIRS.iter().try_for_each(|dir| below.own_dir(dir))?;
    FILES.iter().try_for_each(|name| below.own_file(&format!("/etc/{name}")))
}

/// Makes the snapshot of the container at `place` on `parent`, and answers its name.
pub async fn make(
    snapshotter: &Snapshotter,
    scope: &Scope,
    place: &Place,
    parent: Option<String>,
) -> Result<String> {
    let (key, name) = (format!("{}-making", place.id()), name(place.id()));
    let snapshots = &snapshotter.snapshots;
    let new = NewSnapshot { key: key.clone(), parent, labels: Labels::new() };
    let mounts = snapshots.prepare(scope, new).await?;
    let made = async {
        fill(mounts, place.clone()).await?;
        snapshots.commit(scope, &name, &key, &Labels::new()).await
    };
    if let Err(error) = made.await {
        snapshots.remove(scope, &key).await.found()?;
        return Err(error);
    }
    Ok(name)
}

/// Removes it, once the container's own is gone. Where a commit reads it, or was killed while it did, the next
/// collection takes it: nothing refers to it any more. One that there is not is no error.
pub async fn remove(snapshotter: &Snapshotter, scope: &Scope, id: &str) -> Result<()> {
    match snapshotter.snapshots.remove(scope, &name(id)).await.found() {
        Err(error) if error.kind() == Kind::FailedPrecondition => Ok(()),
        removed => removed.map(drop),
    }
}

fn name(id: &str) -> String {
    format!("{id}-init")
}

async fn fill(mounts: Vec<Mount>, place: Place) -> Result<()> {
    let filling = tokio::task::spawn_blocking(move || {
        let mut scratch = false;
        // Seen by nobody else, and gone with this process.
        let tree = mounting::detached(&mounts, || {
            scratch = true;
            let rootfs = place.rootfs();
            place::make_dir(&rootfs).map(|()| rootfs)
        })?;
        let filled = places(&Below::of(tree.reopen()?, Path::new("/")));
        drop(tree);
        if scratch {
            place.remove()?;
        }
        filled
    });
    filling.await.map_err(|error| Error::internal("filling a snapshot").with_source(error))?
}
