//! Snapshotters that attend collections, and what is remembered of those that are away.
//!
//! A record per name says whether what the snapshotter referred to is known (`settled`). It is not
//! while the snapshotter attends, nor after a crash; [`Store::settle_attendees`] asks once more at
//! close and stores every edge that leads out of its own snapshots. While a snapshotter is away and
//! settled, those edges are roots; while it is away and not settled, nobody knows what it refers
//! to, so no blob and no snapshot is removed at all until it attends again.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use varve_core::collect::{Attendee, Frozen};
use varve_core::scope::check_identifier;
use varve_core::{Error, Kind, Namespace, Result};

use super::graph::{Place, node_targets};
use crate::records::{Change, Target, View};
use crate::store::Store;

const PREFIX: &str = "attendee/";
const SETTLED: &[u8] = b"settled";
const OPEN: &[u8] = b"open";
/// How long a snapshotter may take to answer while the store closes.
const CLOSING: Duration = Duration::from_secs(10);

/// One snapshotter at a collection.
pub struct Guest {
    pub name: String,
    pub attendee: Arc<dyn Attendee>,
    pub frozen: Frozen,
}

/// Those that are known and away.
#[derive(Default)]
pub struct Absent {
    /// What they refer to.
    pub roots: Vec<Place>,
    /// One of whom that is not known.
    pub unsettled: Option<String>,
}

impl Store {
    /// Remembers the snapshotter and lets it take part from now on.
    pub async fn attend(&self, name: &str, attendee: Arc<dyn Attendee>) -> Result<()> {
        check_identifier("snapshotter", name)?;
        let key = key(name);
        self.records.write(move |change| change.put(&key, OPEN.to_vec())).await?;
        self.lock_attendees().insert(name.to_owned(), attendee);
        Ok(())
    }

    /// The names of all that ever attended.
    pub async fn known_attendees(&self) -> Result<Vec<String>> {
        let known = self.records.read(|db| db.scan(PREFIX.as_bytes())).await?;
        Ok(known.iter().map(|(key, _)| name_of(key)).collect())
    }

    /// Asks every snapshotter that attends. One that fails is away.
    pub async fn freeze(&self, limit: Duration) -> Vec<Guest> {
        let attendees = self.lock_attendees().clone();
        let mut guests = Vec::new();
        for (name, attendee) in attendees {
            match within(limit, attendee.freeze()).await {
                Ok(frozen) => guests.push(Guest { name, attendee, frozen }),
                Err(error) => {
                    tracing::warn!(name, error = %error.chain(), "a snapshotter is away");
                }
            }
        }
        guests
    }

    /// Stores what the snapshotters refer to, so that collections know it while they are away.
    pub async fn settle_attendees(&self) {
        for guest in self.freeze(CLOSING).await {
            let name = guest.name.clone();
            let settled = self.records.write(move |change| settle(change, &guest)).await;
            if let Err(error) = settled {
                tracing::warn!(name, error = %error.chain(), "what a snapshotter refers to");
            }
        }
        self.lock_attendees().clear();
    }

    fn lock_attendees(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<String, Arc<dyn Attendee>>> {
        self.attendees.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a snapshotter, but not for ever.
pub async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::new(Kind::DeadlineExceeded, "it did not answer in time");
    tokio::time::timeout(limit, work).await.map_err(late)?
}

pub fn warn_of_unsettled(name: &str) {
    tracing::warn!(
        "snapshotter {name} is away and was not closed in good order: until it is here again, no \
         blob and no snapshot is removed, because it may refer to them"
    );
}

/// The names that are known and not among `here`.
pub fn absent(view: &impl View, here: &[Guest]) -> Result<Absent> {
    let mut absent = Absent::default();
    for (key, state) in view.scan(PREFIX.as_bytes())? {
        let name = name_of(&key);
        if here.iter().any(|guest| guest.name == name) {
            continue;
        }
        if state != SETTLED {
            absent.unsettled = Some(name);
            continue;
        }
        let prefix = edge_prefix(&name);
        let edges = view.scan(&prefix)?;
        absent.roots.extend(edges.iter().filter_map(|(key, _)| parse(&key[prefix.len()..])));
    }
    Ok(absent)
}

fn settle(change: &mut Change<'_>, guest: &Guest) -> Result<()> {
    let prefix = edge_prefix(&guest.name);
    for (key, _) in change.scan(&prefix)? {
        change.delete(&key)?;
    }
    for node in &guest.frozen.nodes {
        let targets = node_targets(&guest.name, node);
        for target in targets.iter().filter(|target| leads_out(target, &guest.name)) {
            change.put(&edge_key(&prefix, &node.namespace, target), Vec::new())?;
        }
    }
    change.put(&key(&guest.name), SETTLED.to_vec())
}

/// Its own snapshots live anyway while it is away.
fn leads_out(target: &Target, own: &str) -> bool {
    !matches!(target, Target::Snapshot { snapshotter, .. } if snapshotter == own)
}

fn key(name: &str) -> Vec<u8> {
    format!("{PREFIX}{name}").into_bytes()
}

fn name_of(key: &[u8]) -> String {
    String::from_utf8_lossy(&key[PREFIX.len()..]).into_owned()
}

fn edge_prefix(name: &str) -> Vec<u8> {
    format!("away/{name}/").into_bytes()
}

/// `away/<name>/<namespace>/content/<digest>` or `…/snapshots/<snapshotter>/<key>`.
fn edge_key(prefix: &[u8], namespace: &Namespace, target: &Target) -> Vec<u8> {
    let rest = match target {
        Target::Content(digest) => format!("{namespace}/content/{digest}"),
        Target::Snapshot { snapshotter, key } => {
            format!("{namespace}/snapshots/{snapshotter}/{key}")
        }
    };
    [prefix, rest.as_bytes()].concat()
}

fn parse(rest: &[u8]) -> Option<Place> {
    let (namespace, rest) = std::str::from_utf8(rest).ok()?.split_once('/')?;
    let target = match rest.split_once('/')? {
        ("content", digest) => Target::Content(digest.parse().ok()?),
        (_, snapshot) => {
            let (snapshotter, key) = snapshot.split_once('/')?;
            Target::snapshot(snapshotter, key)
        }
    };
    Some((namespace.parse().ok()?, target))
}
