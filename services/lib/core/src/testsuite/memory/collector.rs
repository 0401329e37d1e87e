//! The collector: marks from the roots of every namespace, and removes what is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::graph::{Thing, expired, snapshot};
use super::state::{Room, State};
use super::store::Store;
use crate::collect::{Attendee, Collected, Collector, Frozen, Node};
use crate::digest::Digest;
use crate::error::Result;
use crate::fsck::{Fsck, How, Report};
use crate::scope::{Namespace, Scope};
use crate::time::{self, Timestamp};
use crate::unpack::Progress;

/// Seconds for which an ingest may lie idle.
const IDLE: i64 = 24 * 60 * 60;

/// A snapshotter that attends, and what it last told of its snapshots.
pub(super) struct Guest {
    attendee: Arc<dyn Attendee>,
    frozen: Frozen,
    /// It did not answer this time: all that it has lives.
    absent: bool,
}

#[async_trait]
impl Fsck for Store {
    /// Nothing is on a disk here, so nothing can rot.
    async fn fsck(&self, _: How, _: Progress) -> Result<Report> {
        Ok(Report::default())
    }
}

#[async_trait]
impl Collector for Store {
    async fn references(&self, scope: &Scope, digest: &Digest) -> Result<u64> {
        Ok(self.lock().look(scope).map_or(0, |room| room.references(digest)))
    }

    /// Nothing is stored twice here, so nothing can disagree.
    async fn recount(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn collect(&self, dry_run: bool) -> Result<Collected> {
        let mut guests = self.0.guests.lock().await;
        for guest in guests.values_mut() {
            guest.freeze().await;
        }
        let mut collected = self.lock().sift(&guests, dry_run);
        self.0.ring();
        if !dry_run {
            for (name, guest) in guests.iter().filter(|(_, guest)| !guest.absent) {
                let of_it = collected.snapshots.iter().filter(|(of, ..)| of == name);
                let doomed = of_it.map(|(_, namespace, key)| (namespace.clone(), key.clone()));
                collected.bytes +=
                    guest.attendee.remove(guest.frozen.generation, doomed.collect()).await?;
            }
        }
        Ok(collected)
    }

    async fn collect_below(&self, _scope: &Scope, _digests: &[Digest]) -> Result<Collected> {
        self.collect(false).await
    }

    async fn attend(&self, name: &str, attendee: Arc<dyn Attendee>) -> Result<()> {
        let guest = Guest { attendee, frozen: Frozen::default(), absent: true };
        self.0.guests.lock().await.insert(name.to_owned(), guest);
        Ok(())
    }
}

impl Guest {
    async fn freeze(&mut self) {
        match self.attendee.freeze().await {
            Ok(frozen) => (self.frozen, self.absent) = (frozen, false),
            Err(_) => self.absent = true,
        }
    }
}

impl State {
    /// Finds what nothing refers to, and takes it out unless `dry_run`.
    fn sift(&mut self, guests: &BTreeMap<String, Guest>, dry_run: bool) -> Collected {
        let mut collected = Collected::default();
        let mut names: Vec<Namespace> = self.rooms.keys().cloned().collect();
        let nodes = guests.values().flat_map(|guest| &guest.frozen.nodes);
        names.extend(nodes.map(|node| node.namespace.clone()));
        names.sort();
        names.dedup();
        for name in names {
            let room = self.rooms.remove(&name).unwrap_or_default();
            room.sift(&name, guests, &mut collected);
            self.rooms.insert(name, room);
        }
        collected.bytes = self.doomed_bytes(&collected);
        if !dry_run {
            self.take_out(&collected);
        }
        collected
    }

    /// Bytes of the blobs that no namespace keeps.
    fn doomed_bytes(&self, collected: &Collected) -> u64 {
        let doomed = |name: &Namespace, digest: &Digest| {
            collected.blobs.iter().any(|(of, one)| of == name && one == digest)
        };
        let kept = |digest: &Digest| {
            let mut rooms = self.rooms.iter();
            rooms.any(|(name, room)| room.blobs.contains_key(digest) && !doomed(name, digest))
        };
        let gone = self.bytes.iter().filter(|(digest, _)| !kept(digest));
        gone.map(|(_, bytes)| bytes.len() as u64).sum()
    }

    fn take_out(&mut self, collected: &Collected) {
        let scope = |name: &Namespace| Scope::of(name.clone());
        for (name, digest) in &collected.blobs {
            self.room(&scope(name)).blobs.remove(digest);
        }
        for (name, ingest) in &collected.ingests {
            self.room(&scope(name)).ingests.remove(ingest);
        }
        for (name, lease) in &collected.leases {
            self.room(&scope(name)).leases.remove(lease);
        }
        self.sweep();
    }
}

impl Room {
    /// Adds to `out` what nothing in this namespace refers to.
    fn sift(&self, name: &Namespace, guests: &BTreeMap<String, Guest>, out: &mut Collected) {
        let now = time::now();
        let of_all = guests
            .iter()
            .flat_map(|(of, guest)| guest.frozen.nodes.iter().map(move |node| (of.as_str(), node)));
        let nodes: Vec<(&str, &Node)> =
            of_all.filter(|(_, node)| node.namespace == *name).collect();
        let mut roots = self.roots(&nodes, now);
        let absent = nodes.iter().filter(|(of, _)| guests[*of].absent);
        roots.extend(absent.map(|(of, node)| (snapshot(of, &node.key), true)));
        let marked = self.mark(roots, &nodes);
        let lives = |thing: &Thing| marked.contains(thing);

        let blobs = self.blobs.keys().filter(|digest| !lives(&Thing::Blob(**digest)));
        out.blobs.extend(blobs.map(|digest| (name.clone(), *digest)));
        let idle = self
            .ingests
            .iter()
            .filter(|(_, ingest)| !ingest.held && is_idle(ingest.status.updated_at, now));
        let idle = idle.filter(|(id, _)| !lives(&Thing::Ingest((*id).clone())));
        out.ingests.extend(idle.map(|(id, _)| (name.clone(), id.clone())));
        let over = self.leases.iter().filter(|(_, held)| expired(&held.lease.labels, now));
        out.leases.extend(over.map(|(id, _)| (name.clone(), id.clone())));
        let dead = nodes.iter().filter(|(of, node)| !lives(&snapshot(of, &node.key)));
        out.snapshots
            .extend(dead.map(|(of, node)| (of.to_string(), name.clone(), node.key.clone())));
    }
}

fn is_idle(since: Timestamp, now: Timestamp) -> bool {
    now.as_second() - since.as_second() > IDLE
}
