//! What an open finds and settles: leftovers of a crash, of a power cut, of a boot before this one.

use std::collections::HashSet;

use varve_core::labels::MOUNT_BOOT;
use varve_core::snapshots::Kind;
use varve_core::{Error, Namespace, Result};
use varve_meta::Db;

use crate::graph::{Change, DirId, Look, Seen};
use crate::places::Places;

/// Makes records and directories agree. With `lost` the database was rebuilt from less than it had,
/// and a directory without a record may be somebody's work.
pub(crate) fn recover(db: &Db, places: &Places, boot: &str, lost: bool) -> Result<()> {
    let there: HashSet<DirId> = places.snapshots()?.into_iter().collect();
    let doomed = doomed(db, &there, boot)?;
    let mut kept = HashSet::new();
    for (seen, why) in &doomed {
        if *why != Why::Unmounted && !can_be_made_again(db, seen)? {
            kept.insert(seen.snapshot.dir);
        }
    }
    drop_all(db, &doomed)?;
    places.sweep_staged()?;
    let known: HashSet<DirId> = db.dirs()?.into_iter().map(|(id, _)| id).collect();
    for orphan in there.difference(&known) {
        if lost || kept.contains(orphan) {
            let path = places.put_aside(*orphan)?;
            tracing::warn!(path = %path.display(), "a snapshot was lost; what it had is kept there");
        } else {
            places.discard(*orphan);
        }
    }
    Ok(())
}

/// Why a snapshot cannot stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    /// What it is stacked on is gone.
    Orphaned,
    /// The machine went down before it was synced.
    Torn,
    /// Its directory is missing.
    Missing,
    /// It was made for a mount of an earlier boot.
    Unmounted,
}

/// Whether nobody's work is in it: a layer, or a view.
fn can_be_made_again(db: &Db, seen: &Seen) -> Result<bool> {
    let layer = db.dir(seen.snapshot.dir)?.chain.is_some();
    Ok(layer || seen.snapshot.kind == Kind::View)
}

/// The snapshots that cannot stay, children before parents.
fn doomed(db: &Db, there: &HashSet<DirId>, boot: &str) -> Result<Vec<(Seen, Why)>> {
    let torn: HashSet<DirId> = db
        .dirs()?
        .into_iter()
        .filter(|(_, dir)| dir.chain.is_some() && !dir.synced && dir.boot != boot)
        .map(|(id, _)| id)
        .collect();
    let mut doomed = Vec::new();
    let mut gone: HashSet<(Namespace, String)> = HashSet::new();
    for seen in by_depth(db.everything()?) {
        let orphan = seen.snapshot.parent.as_ref().is_some_and(|parent| {
            let parent = (seen.namespace.clone(), parent.clone());
            gone.contains(&parent)
        });
        let why = match () {
            () if orphan => Why::Orphaned,
            () if torn.contains(&seen.snapshot.dir) => Why::Torn,
            () if !there.contains(&seen.snapshot.dir) => Why::Missing,
            () if stale_mount(db, &seen, boot)? => Why::Unmounted,
            () => continue,
        };
        tracing::info!(namespace = %seen.namespace, key = seen.key, ?why, "dropping a snapshot");
        gone.insert((seen.namespace.clone(), seen.key.clone()));
        doomed.push((seen, why));
    }
    doomed.reverse();
    Ok(doomed)
}

/// A view that `varve mount` made, in a boot whose mounts are gone.
fn stale_mount(db: &Db, seen: &Seen, boot: &str) -> Result<bool> {
    if seen.snapshot.kind == Kind::Committed {
        return Ok(false);
    }
    let labels = db.labels(&seen.namespace, seen.snapshot.dir)?;
    Ok(labels.get(MOUNT_BOOT).is_some_and(|mounted| mounted != boot))
}

/// Parents before children.
pub(crate) fn by_depth(all: Vec<Seen>) -> Vec<Seen> {
    use std::collections::HashMap;
    let parents: HashMap<_, _> = all
        .iter()
        .map(|seen| ((&seen.namespace, seen.key.as_str()), seen.snapshot.parent.as_deref()))
        .collect();
    let depth = |seen: &Seen| {
        let mut depth = 0_usize;
        let mut next = seen.snapshot.parent.as_deref();
        // A ring, which only a damaged record can make, ends at the number of all there are.
        while let Some(parent) = next.filter(|_| depth <= parents.len()) {
            depth += 1;
            next = parents.get(&(&seen.namespace, parent)).copied().flatten();
        }
        depth
    };
    let depths: Vec<usize> = all.iter().map(depth).collect();
    let mut sorted: Vec<_> = depths.into_iter().zip(all).collect();
    sorted.sort_by_key(|(depth, _)| *depth);
    sorted.into_iter().map(|(_, seen)| seen).collect()
}

fn drop_all(db: &Db, doomed: &[(Seen, Why)]) -> Result<()> {
    if doomed.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = doomed.iter().map(|(s, _)| (s.namespace.clone(), s.key.clone())).collect();
    db.write_blocking(move |tx| {
        for (namespace, key) in keys {
            tx.forget(&namespace, &key).map_err(|error: Error| {
                error.context(format!("dropping snapshot {key:?}, which cannot stay"))
            })?;
        }
        Ok(())
    })
}
