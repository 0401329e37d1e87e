//! The steps of a history of blobs and snapshots that refer to one another, and what each should leave.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

pub const BLOBS: u8 = 4;
const KEYS: u8 = 3;
const NAMES: u8 = 2;
pub const SPACES: usize = 2;
pub const DRIVERS: [&str; 2] = ["memory", "other"];

/// What can be referred to: a blob, or a snapshot of one of [`DRIVERS`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Thing {
    Blob(u8),
    Snap(usize, u8),
}

/// When a lease ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Never,
    Past,
    Future,
}

/// What labels say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Own {
    pub to: Vec<Thing>,
    pub root: bool,
}

/// One step; most are of one namespace, which is given with them.
#[derive(Clone, Debug)]
pub enum Step {
    Put {
        blob: u8,
        own: Own,
    },
    /// Made and committed, or only made where it can have no child (`open`); what is there is relabelled.
    Stack {
        driver: usize,
        key: u8,
        parent: Option<u8>,
        own: Own,
        open: bool,
    },
    Drop(Thing),
    Name {
        name: u8,
        blob: u8,
        own: Own,
    },
    Unname(u8),
    Contain {
        id: u8,
        driver: usize,
        key: u8,
        own: Own,
    },
    Discard(u8),
    Lease {
        id: u8,
        flat: bool,
        end: End,
    },
    Hold {
        id: u8,
        thing: Thing,
    },
    Release {
        id: u8,
        thing: Thing,
    },
    Free(u8),
    /// The driver comes, or comes again.
    Attend(usize),
    /// It does not answer any more, or does again.
    Silent {
        driver: usize,
        silent: bool,
    },
    Collect,
    Reopen,
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        (0..BLOBS).prop_map(Thing::Blob),
        (0..DRIVERS.len(), 0..KEYS).prop_map(|(driver, key)| Thing::Snap(driver, key)),
    ]
}

fn own() -> impl Strategy<Value = Own> {
    let to = proptest::collection::vec(thing(), 0..3);
    (to, proptest::bool::weighted(0.1)).prop_map(|(to, root)| Own { to, root })
}

pub fn step() -> impl Strategy<Value = (usize, Step)> {
    let (blob, key, name, driver) = (|| 0..BLOBS, || 0..KEYS, || 0..NAMES, || 0..DRIVERS.len());
    let end = prop_oneof![Just(End::Never), Just(End::Past), Just(End::Future)];
    let step = prop_oneof![
        6 => (blob(), own()).prop_map(|(blob, own)| Step::Put { blob, own }),
        8 => (driver(), key(), proptest::option::of(key()), own(), any::<bool>()).prop_map(
            |(driver, key, parent, own, open)| Step::Stack { driver, key, parent, own, open }),
        2 => thing().prop_map(Step::Drop),
        3 => (name(), blob(), own()).prop_map(|(name, blob, own)| Step::Name { name, blob, own }),
        2 => name().prop_map(Step::Unname),
        3 => (name(), driver(), key(), own())
            .prop_map(|(id, driver, key, own)| Step::Contain { id, driver, key, own }),
        2 => name().prop_map(Step::Discard),
        5 => (name(), any::<bool>(), end).prop_map(|(id, flat, end)| Step::Lease { id, flat, end }),
        8 => (name(), thing()).prop_map(|(id, thing)| Step::Hold { id, thing }),
        1 => (name(), thing()).prop_map(|(id, thing)| Step::Release { id, thing }),
        1 => name().prop_map(Step::Free),
        6 => driver().prop_map(Step::Attend),
        1 => (driver(), proptest::bool::weighted(0.3))
            .prop_map(|(driver, silent)| Step::Silent { driver, silent }),
        7 => Just(Step::Collect),
        1 => Just(Step::Reopen),
    ];
    // Mostly in one: what is in the other must not matter.
    (prop_oneof![3 => Just(0), 1 => Just(1)], step)
}

/// One namespace as it should be.
#[derive(Clone, Debug, Default)]
pub struct Space {
    pub blobs: BTreeMap<u8, Own>,
    pub snaps: BTreeMap<(usize, u8), Snap>,
    pub images: BTreeMap<u8, (u8, Own)>,
    pub containers: BTreeMap<u8, (Thing, Own)>,
    pub leases: BTreeMap<u8, Lease>,
}

#[derive(Clone, Debug)]
pub struct Snap {
    pub own: Own,
    pub parent: Option<u8>,
    pub committed: bool,
}

#[derive(Clone, Debug)]
pub struct Lease {
    pub flat: bool,
    pub end: End,
    pub holds: BTreeSet<Thing>,
}

/// What is known of a driver where it does not attend.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Driver {
    /// It never attended.
    Unknown,
    Attends,
    /// The store was closed while it attended: what it referred to in each namespace.
    Away(Vec<BTreeSet<Thing>>),
    /// The store was closed while it was silent.
    Lost,
}

impl Space {
    /// All that can be reached, where `here` says which drivers tell what they refer to, and `roots` what the
    /// others did.
    pub fn marked(&self, here: &[bool], roots: BTreeSet<Thing>) -> BTreeSet<Thing> {
        let mut todo: Vec<Thing> = roots.into_iter().collect();
        todo.extend(self.images.values().map(|(blob, _)| Thing::Blob(*blob)));
        todo.extend(self.images.values().flat_map(|(_, own)| own.to.clone()));
        todo.extend(self.containers.values().map(|(thing, _)| *thing));
        todo.extend(self.containers.values().flat_map(|(_, own)| own.to.clone()));
        let leases = || self.leases.values().filter(|lease| lease.end != End::Past);
        todo.extend(leases().filter(|lease| !lease.flat).flat_map(|lease| lease.holds.clone()));
        let rooted = self.blobs.iter().filter(|(_, own)| own.root);
        todo.extend(rooted.map(|(blob, _)| Thing::Blob(*blob)));
        let rooted = self.snaps.iter().filter(|((driver, _), snap)| here[*driver] && snap.own.root);
        todo.extend(rooted.map(|((driver, key), _)| Thing::Snap(*driver, *key)));
        let mut marked = BTreeSet::new();
        while let Some(thing) = todo.pop() {
            if marked.insert(thing) {
                todo.extend(self.from(thing, here));
            }
        }
        for held in leases().filter(|lease| lease.flat).flat_map(|lease| lease.holds.clone()) {
            // With what it stands on, but not what its labels refer to.
            let mut next = Some(held);
            while let Some(thing) = next.filter(|thing| marked.insert(*thing)) {
                next = self.parent(thing, here);
            }
        }
        marked
    }

    fn parent(&self, thing: Thing, here: &[bool]) -> Option<Thing> {
        let Thing::Snap(driver, key) = thing else { return None };
        let snap = self.snaps.get(&(driver, key)).filter(|_| here[driver])?;
        snap.parent.map(|parent| Thing::Snap(driver, parent))
    }

    fn from(&self, thing: Thing, here: &[bool]) -> Vec<Thing> {
        match thing {
            Thing::Blob(blob) => {
                self.blobs.get(&blob).map(|own| own.to.clone()).unwrap_or_default()
            }
            Thing::Snap(driver, key) if here[driver] => {
                let Some(snap) = self.snaps.get(&(driver, key)) else { return Vec::new() };
                let parent = snap.parent.map(|parent| Thing::Snap(driver, parent));
                parent.into_iter().chain(snap.own.to.clone()).collect()
            }
            Thing::Snap(..) => Vec::new(),
        }
    }

    /// What a driver's snapshots refer to beside one another.
    pub fn out_of(&self, driver: usize) -> BTreeSet<Thing> {
        let snaps = self.snaps.iter().filter(|((of, _), _)| *of == driver);
        let to = snaps.flat_map(|(_, snap)| snap.own.to.clone());
        to.filter(|thing| !matches!(thing, Thing::Snap(of, _) if *of == driver)).collect()
    }

    pub fn has_child(&self, driver: usize, key: u8) -> bool {
        self.snaps.iter().any(|((of, _), snap)| *of == driver && snap.parent == Some(key))
    }

    /// Removes what is not marked, of the drivers that are here; a snapshot with a child stays.
    pub fn sweep(&mut self, here: &[bool], marked: &BTreeSet<Thing>) {
        self.blobs.retain(|blob, _| marked.contains(&Thing::Blob(*blob)));
        let doomed: Vec<_> = self.snaps.keys().copied().collect();
        let mut doomed: Vec<_> = { doomed.into_iter() }
            .filter(|(driver, key)| here[*driver] && !marked.contains(&Thing::Snap(*driver, *key)))
            .collect();
        while let Some(at) = doomed.iter().position(|(driver, key)| !self.has_child(*driver, *key))
        {
            self.snaps.remove(&doomed.remove(at));
        }
    }

    /// The stored edges to a blob.
    pub fn references(&self, blob: u8) -> u64 {
        let to = |own: &Own| own.to.iter().filter(|to| **to == Thing::Blob(blob)).count();
        let labels = self.blobs.values().chain(self.images.values().map(|(_, own)| own));
        let labels =
            labels.chain(self.containers.values().map(|(_, own)| own)).map(to).sum::<usize>();
        let targets = self.images.values().filter(|(target, _)| *target == blob).count();
        let holds = |lease: &&Lease| lease.holds.contains(&Thing::Blob(blob));
        (labels + targets + self.leases.values().filter(holds).count()) as u64
    }
}
