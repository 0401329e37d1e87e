//! What an open finds and settles: leftovers of a crash, of a power cut, of a boot before this one.

use std::collections::HashSet;

use varve_core::fsck::{Fault, Finding};
use varve_core::labels::MOUNT_BOOT;
use varve_core::snapshots::Kind;
use varve_core::{Error, Namespace, Result};
use varve_meta::Db;

use crate::graph::{Change, DirId, Look, Seen};
use crate::places::Places;

/// Makes records and directories agree. With `lost` the database was rebuilt from less than it had,
/// and a directory without a record may be somebody's work. Answers what was dropped.
pub(crate) fn recover(db: &Db, places: &Places, boot: &str, lost: bool) -> Result<Vec<Finding>> {
    let there: HashSet<DirId> = places.snapshots()?.into_iter().collect();
    let doomed = doomed(db, &there, boot)?;
    let mut kept = HashSet::new();
    let mut findings = Vec::new();
    for (seen, why) in &doomed {
        let again = can_be_made_again(db, seen)?;
        if *why != Why::Unmounted && !again {
            kept.insert(seen.snapshot.dir);
        }
        findings.extend(told(seen, *why, again));
    }
    let dropped: HashSet<DirId> = doomed.iter().map(|(seen, _)| seen.snapshot.dir).collect();
    // Before its record goes: a directory without one that nobody put aside is removed.
    for id in there.intersection(&kept) {
        findings.push(aside(places, *id)?);
    }
    drop_all(db, &doomed)?;
    places.sweep_staged()?;
    let known: HashSet<DirId> = db.dirs()?.into_iter().map(|(id, _)| id).collect();
    for orphan in there.difference(&known).filter(|id| !kept.contains(id)) {
        if lost {
            findings.push(aside(places, *orphan)?);
        } else {
            places.discard(*orphan);
            if !dropped.contains(orphan) {
                findings.push(orphaned(places, *orphan, "removed at the open".into()));
            }
        }
    }
    Ok(findings)
}

/// Puts aside somebody's work.
fn aside(places: &Places, id: DirId) -> Result<Finding> {
    let path = places.put_aside(id)?;
    tracing::warn!(path = %path.display(), "a snapshot was lost; what it had is kept there");
    Ok(orphaned(places, id, format!("kept in {}", path.display())))
}

/// What is told of a snapshot that cannot stay. A layer that only stood on another is made again with it,
/// and no mount is missed after a boot.
fn told(seen: &Seen, why: Why, again: bool) -> Option<Finding> {
    let (fault, what) = match why {
        Why::Torn => (Fault::Unsynced, "it was not on the disk yet when the machine went down"),
        Why::Missing => (Fault::NoTree, "its tree is missing"),
        Why::Orphaned if !again => (Fault::NoTree, "what it stood on is lost"),
        Why::Orphaned | Why::Unmounted => return None,
    };
    Some(Finding {
        fault,
        namespace: Some(seen.namespace.clone()),
        noun: seen.key.clone(),
        what: what.into(),
        done: Some("dropped at the open".into()),
    })
}

/// The records were lost, and came back as far as they were exported.
pub(crate) fn rebuilt() -> Finding {
    Finding {
        fault: Fault::Rebuilt,
        namespace: None,
        noun: "records".into(),
        what: "the records were lost or damaged".into(),
        done: Some("made anew from their export at the open".into()),
    }
}

fn orphaned(places: &Places, id: DirId, done: String) -> Finding {
    Finding {
        fault: Fault::Orphan,
        namespace: None,
        noun: places.snapshot(id).display().to_string(),
        what: "no record tells of this tree".into(),
        done: Some(done),
    }
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
