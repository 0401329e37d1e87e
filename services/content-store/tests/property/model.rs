//! The steps of a history, and what each should leave.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use varve_core::{Digest, Labels, Scope};

pub const BLOBS: u8 = 6;
const NAMES: u8 = 3;
pub const SPACES: u8 = 2;

/// One step, in the namespace `.0`.
#[derive(Clone, Debug)]
pub enum Step {
    Put {
        blob: u8,
        edges: Vec<u8>,
        lease: Option<u8>,
    },
    Relabel {
        blob: u8,
        edges: Vec<u8>,
        root: bool,
    },
    Delete {
        blob: u8,
    },
    Point {
        name: u8,
        blob: u8,
        merged: Option<u8>,
    },
    Unname {
        name: u8,
    },
    Lease {
        lease: u8,
        flat: bool,
    },
    Hold {
        lease: u8,
        blob: u8,
    },
    Release {
        lease: u8,
        blob: u8,
    },
    End {
        lease: u8,
        expire: bool,
    },
    Half {
        blob: u8,
    },
    Collect,
    /// Begins at a blob.
    Below {
        blob: u8,
    },
    Reopen,
}

pub fn step() -> impl Strategy<Value = (u8, Step)> {
    let blob = || 0..BLOBS;
    let name = || 0..NAMES;
    let edges = || proptest::collection::vec(0..BLOBS, 0..3);
    let step = prop_oneof![
        6 => (blob(), edges(), proptest::option::of(name()))
            .prop_map(|(blob, edges, lease)| Step::Put { blob, edges, lease }),
        3 => (blob(), edges(), any::<bool>())
            .prop_map(|(blob, edges, root)| Step::Relabel { blob, edges, root: root && blob == 0 }),
        1 => blob().prop_map(|blob| Step::Delete { blob }),
        4 => (name(), blob(), proptest::option::of(blob()))
            .prop_map(|(name, blob, merged)| Step::Point { name, blob, merged }),
        2 => name().prop_map(|name| Step::Unname { name }),
        2 => (name(), any::<bool>()).prop_map(|(lease, flat)| Step::Lease { lease, flat }),
        2 => (name(), blob()).prop_map(|(lease, blob)| Step::Hold { lease, blob }),
        1 => (name(), blob()).prop_map(|(lease, blob)| Step::Release { lease, blob }),
        2 => (name(), any::<bool>()).prop_map(|(lease, expire)| Step::End { lease, expire }),
        1 => blob().prop_map(|blob| Step::Half { blob }),
        3 => Just(Step::Collect),
        4 => blob().prop_map(|blob| Step::Below { blob }),
        1 => Just(Step::Reopen),
    ];
    (0..SPACES, step)
}

/// One namespace as it should be.
#[derive(Clone, Debug, Default)]
pub struct Space {
    pub blobs: BTreeMap<u8, (BTreeMap<String, u8>, bool)>,
    pub images: BTreeMap<String, u8>,
    pub leases: BTreeMap<u8, Lease>,
}

#[derive(Clone, Debug, Default)]
pub struct Lease {
    pub flat: bool,
    pub ended: bool,
    pub blobs: BTreeSet<u8>,
}

impl Space {
    fn marked(&self) -> BTreeSet<u8> {
        let leases = || self.leases.values().filter(|lease| !lease.ended);
        let held = leases().filter(|lease| !lease.flat).flat_map(|lease| &lease.blobs);
        let mut marked = self.reached(self.roots().chain(held.copied()));
        marked.extend(leases().filter(|lease| lease.flat).flat_map(|lease| &lease.blobs));
        marked
    }

    /// Those that are roots whatever leases say.
    fn roots(&self) -> impl Iterator<Item = u8> + '_ {
        let labelled = self.blobs.iter().filter(|(_, (_, root))| *root).map(|(blob, _)| *blob);
        self.images.values().copied().chain(labelled)
    }

    fn reached(&self, from: impl Iterator<Item = u8>) -> BTreeSet<u8> {
        let mut todo: Vec<u8> = from.collect();
        let mut reached = BTreeSet::new();
        while let Some(blob) = todo.pop() {
            if reached.insert(blob) {
                todo.extend(self.blobs.get(&blob).iter().flat_map(|(edges, _)| edges.values()));
            }
        }
        reached
    }

    pub fn references(&self, blob: u8) -> u64 {
        let edges = self.blobs.values().flat_map(|(edges, _)| edges.values());
        let count = edges.chain(self.images.values()).filter(|to| **to == blob).count();
        let held = self.leases.values().filter(|lease| lease.blobs.contains(&blob)).count();
        (count + held) as u64
    }

    /// What a collection that begins at `blob` leaves: it takes a lease for one that holds, however.
    pub fn collect_below(&mut self, blob: u8) {
        let held = self.leases.values().flat_map(|lease| lease.blobs.iter().copied());
        let marked = self.reached(self.roots().chain(held));
        // What others refer to, although nothing keeps them, is kept: nobody looked at those.
        let below = self.reached([blob].into_iter());
        let others = self.blobs.keys().copied().filter(|other| !below.contains(other));
        let kept = self.reached(others);
        let gone = |it: &u8| below.contains(it) && !marked.contains(it) && !kept.contains(it);
        self.blobs.retain(|it, _| !gone(it));
    }

    pub fn collect(&mut self) {
        let marked = self.marked();
        self.blobs.retain(|blob, _| marked.contains(blob));
        self.leases.retain(|_, lease| !lease.ended);
    }
}

pub fn bytes(blob: u8) -> Vec<u8> {
    vec![blob; 100 + usize::from(blob)]
}

pub fn digest(blob: u8) -> Digest {
    Digest::of(&bytes(blob))
}

pub fn edge(n: usize) -> String {
    format!("containerd.io/gc.ref.content.l.{n}")
}

pub fn edge_map(edges: &[u8]) -> BTreeMap<String, u8> {
    edges.iter().enumerate().map(|(n, to)| (edge(n), *to)).collect()
}

pub fn edge_labels(edges: &BTreeMap<String, u8>) -> Labels {
    edges.iter().map(|(key, to)| (key.clone(), digest(*to).to_string())).collect()
}

pub fn scope(space: u8) -> Scope {
    Scope::of(["default", "other"][usize::from(space)].parse().unwrap())
}

pub fn lease(id: u8) -> String {
    format!("lease-{id}")
}
