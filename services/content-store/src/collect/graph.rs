//! The graph of references, and what can be reached in it.

use std::collections::{HashMap, HashSet};

use varve_core::collect::Node;
use varve_core::labels::{GC_FLAT, GC_ROOT};
use varve_core::leases::{Resource, expiry};
use varve_core::{Digest, Namespace, Result, Timestamp};

use crate::records::{Noun, Sort, Stored, Target, View, edges, noun};

/// Something that can be marked.
pub type Place = (Namespace, Target);

/// Who refers to what, at one or more moments.
#[derive(Default)]
pub struct Graph {
    edges: HashMap<Place, Vec<Target>>,
    /// Kept with all that they refer to.
    roots: Vec<Place>,
    /// Kept without what their labels refer to.
    flat: Vec<Place>,
    /// What each snapshot stands on.
    parents: HashMap<Place, Place>,
    /// Ingests that a lease holds.
    ingests: HashSet<(Namespace, String)>,
}

impl Graph {
    /// Adds what the records say.
    pub fn add_records(&mut self, view: &impl View, now: Timestamp) -> Result<()> {
        for sort in [Sort::Content, Sort::Image, Sort::Container, Sort::Lease] {
            for (noun, stored) in noun::list_all(view, sort)? {
                self.add_noun(&noun, &stored, now);
            }
        }
        Ok(())
    }

    fn add_noun(&mut self, noun: &Noun, stored: &Stored, now: Timestamp) {
        let targets = edges::outgoing(noun, stored).into_iter().map(|(_, target)| target);
        let place = |target| (noun.namespace.clone(), target);
        match noun.sort {
            Sort::Content => {
                let Ok(digest) = noun.name.parse::<Digest>() else { return };
                let own = place(Target::Content(digest));
                if stored.labels.contains_key(GC_ROOT) {
                    self.roots.push(own.clone());
                }
                self.edges.entry(own).or_default().extend(targets);
            }
            Sort::Lease if is_over(stored, now) => {}
            Sort::Lease => {
                let held = stored.resources.iter().filter_map(ingest);
                self.ingests.extend(held.map(|reference| (noun.namespace.clone(), reference)));
                let flat = stored.labels.contains_key(GC_FLAT);
                let to = if flat { &mut self.flat } else { &mut self.roots };
                to.extend(targets.map(place));
            }
            _ => self.roots.extend(targets.map(place)),
        }
    }

    /// Adds what one place refers to.
    pub fn add(&mut self, place: Place, targets: Vec<Target>) {
        self.edges.entry(place).or_default().extend(targets);
    }

    /// Adds a snapshotter's nodes.
    pub fn add_nodes(&mut self, snapshotter: &str, nodes: &[Node]) {
        for node in nodes {
            let own = (node.namespace.clone(), Target::snapshot(snapshotter, &node.key));
            if node.labels.contains_key(GC_ROOT) {
                self.roots.push(own.clone());
            }
            if let Some(parent) = &node.parent {
                let parent = (node.namespace.clone(), Target::snapshot(snapshotter, parent));
                self.parents.insert(own.clone(), parent);
            }
            self.edges.entry(own).or_default().extend(node_targets(snapshotter, node));
        }
    }

    /// Adds places that are kept whatever else there is.
    pub fn add_roots(&mut self, roots: impl IntoIterator<Item = Place>) {
        self.roots.extend(roots);
    }

    pub fn holds_ingest(&self, namespace: &Namespace, reference: &str) -> bool {
        self.ingests.contains(&(namespace.clone(), reference.to_owned()))
    }

    /// All that can be reached. Labels may form cycles: each place is entered once.
    pub fn mark(self) -> HashSet<Place> {
        let mut marked = HashSet::new();
        let mut todo = self.roots;
        while let Some(place) = todo.pop() {
            if marked.contains(&place) {
                continue;
            }
            let targets = self.edges.get(&place).into_iter().flatten();
            todo.extend(targets.map(|target| (place.0.clone(), target.clone())));
            marked.insert(place);
        }
        for mut place in self.flat {
            // A snapshot cannot be without those that it stands on.
            while marked.insert(place.clone()) {
                match self.parents.get(&place) {
                    Some(parent) => place = parent.clone(),
                    None => break,
                }
            }
        }
        marked
    }
}

/// What a snapshot refers to: its parent, and what its labels say.
pub fn node_targets(snapshotter: &str, node: &Node) -> Vec<Target> {
    let parent = node.parent.iter().map(|parent| Target::snapshot(snapshotter, parent));
    let labels = node.labels.iter().filter_map(|(label, value)| Target::of_label(label, value));
    parent.chain(labels).collect()
}

/// Whether a lease has ended.
pub fn is_over(lease: &Stored, now: Timestamp) -> bool {
    expiry(&lease.labels).is_some_and(|end| end <= now)
}

fn ingest(resource: &Resource) -> Option<String> {
    (resource.kind == "ingests").then(|| resource.id.clone())
}
