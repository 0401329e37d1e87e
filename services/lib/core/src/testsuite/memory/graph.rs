//! Who refers to whom: the edges that labels and records make, and what can be reached over them.

use std::collections::BTreeSet;

use super::state::{Held, Room};
use crate::collect::Node;
use crate::digest::Digest;
use crate::labels::{GC_EXPIRE, GC_FLAT, GC_REF_CONTENT, GC_REF_SNAPSHOT, GC_ROOT, Labels};
use crate::time::Timestamp;

/// What can be marked, of one namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Thing {
    Blob(Digest),
    Ingest(String),
    /// Snapshotter, key.
    Snapshot(String, String),
}

/// A thing, and whether what it refers to is kept with it.
pub(super) type Root = (Thing, bool);

/// What labels refer to.
pub(super) fn edges(labels: &Labels) -> Vec<Thing> {
    labels.iter().filter_map(|(key, value)| edge(key, value)).collect()
}

fn edge(key: &str, value: &str) -> Option<Thing> {
    if let Some(rest) = key.strip_prefix(GC_REF_CONTENT) {
        let whole = rest.is_empty() || rest.starts_with(['.', '/']);
        return value.parse().ok().filter(|_| whole).map(Thing::Blob);
    }
    let name = key.strip_prefix(GC_REF_SNAPSHOT)?.split('/').next()?;
    Some(Thing::Snapshot(name.to_owned(), value.to_owned()))
}

/// Whether a lease is over.
pub(super) fn expired(labels: &Labels, now: Timestamp) -> bool {
    let end = labels.get(GC_EXPIRE).and_then(|end| end.parse::<Timestamp>().ok());
    end.is_some_and(|end| end <= now)
}

impl Room {
    /// What lives by itself; `nodes` are the namespace's snapshots, by snapshotter.
    pub fn roots(&self, nodes: &[(&str, &Node)], now: Timestamp) -> Vec<Root> {
        let mut roots = Vec::new();
        for image in self.images.values() {
            roots.push((Thing::Blob(image.target.digest), true));
            roots.extend(edges(&image.labels).into_iter().map(deep));
        }
        for container in self.containers.values().filter(|one| !one.snapshot_key.is_empty()) {
            let (name, key) = (container.snapshotter.clone(), container.snapshot_key.clone());
            roots.push((Thing::Snapshot(name, key), true));
        }
        let labels = self.containers.values().map(|container| &container.labels);
        roots.extend(labels.flat_map(edges).map(deep));
        let leases = self.leases.values().filter(|held| !expired(&held.lease.labels, now));
        roots.extend(leases.flat_map(Held::roots));
        let blobs = self.blobs.values().filter(|info| info.labels.contains_key(GC_ROOT));
        roots.extend(blobs.map(|info| deep(Thing::Blob(info.digest))));
        let pinned = nodes.iter().filter(|(_, node)| node.labels.contains_key(GC_ROOT));
        roots.extend(pinned.map(|(name, node)| deep(snapshot(name, &node.key))));
        roots
    }

    /// All that can be reached from `roots`.
    pub fn mark(&self, roots: Vec<Root>, nodes: &[(&str, &Node)]) -> BTreeSet<Thing> {
        let (mut deep, mut flat) = (BTreeSet::new(), BTreeSet::new());
        let mut todo = roots;
        while let Some((thing, follow)) = todo.pop() {
            if !follow {
                // A snapshot cannot be without those that it stands on.
                todo.extend(parent(&thing, nodes).map(|parent| (parent, false)));
                flat.insert(thing);
            } else if deep.insert(thing.clone()) {
                todo.extend(self.next(&thing, nodes).into_iter().map(|thing| (thing, true)));
            }
        }
        deep.append(&mut flat);
        deep
    }

    fn next(&self, thing: &Thing, nodes: &[(&str, &Node)]) -> Vec<Thing> {
        match thing {
            Thing::Ingest(_) => Vec::new(),
            Thing::Blob(digest) => {
                self.blobs.get(digest).map(|info| edges(&info.labels)).unwrap_or_default()
            }
            Thing::Snapshot(name, key) => {
                let node = nodes.iter().find(|(of, node)| of == name && node.key == *key);
                let labels = node.map(|(_, node)| edges(&node.labels)).unwrap_or_default();
                labels.into_iter().chain(parent(thing, nodes)).collect()
            }
        }
    }

    /// The stored edges to a blob.
    pub fn references(&self, digest: &Digest) -> u64 {
        let images = self.images.values();
        let named = images.clone().filter(|image| image.target.digest == *digest).count();
        let leased = self.leases.values().flat_map(Held::roots).map(|(thing, _)| thing);
        let labels = (self.blobs.values().map(|info| &info.labels))
            .chain(images.map(|image| &image.labels))
            .chain(self.containers.values().map(|container| &container.labels));
        let edges = labels.flat_map(edges).chain(leased);
        (named + edges.filter(|thing| *thing == Thing::Blob(*digest)).count()) as u64
    }
}

fn parent(thing: &Thing, nodes: &[(&str, &Node)]) -> Option<Thing> {
    let Thing::Snapshot(name, key) = thing else { return None };
    let (_, node) = nodes.iter().find(|(of, node)| of == name && node.key == *key)?;
    node.parent.as_ref().map(|parent| snapshot(name, parent))
}

impl Held {
    fn roots(&self) -> Vec<Root> {
        let follow = !self.lease.labels.contains_key(GC_FLAT);
        let thing = |resource: &crate::leases::Resource| match resource.kind.as_str() {
            "content" => resource.id.parse().ok().map(Thing::Blob),
            "ingests" => Some(Thing::Ingest(resource.id.clone())),
            kind => Some(snapshot(kind.strip_prefix("snapshots/")?, &resource.id)),
        };
        self.resources.iter().filter_map(thing).map(|thing| (thing, follow)).collect()
    }
}

pub(super) fn snapshot(name: &str, key: &str) -> Thing {
    Thing::Snapshot(name.to_owned(), key.to_owned())
}

fn deep(thing: Thing) -> Root {
    (thing, true)
}
