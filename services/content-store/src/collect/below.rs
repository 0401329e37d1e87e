//! A collection that begins at blobs that were just let go, and so costs what they are and not what
//! there is.
//!
//! The candidates are these and all that they lead to. One that anything else refers to is a root,
//! as is all that the barrier has seen; what of the candidates cannot be reached from a root goes,
//! also where they refer to one another in a cycle. What leases hold that have ended, or hold alone,
//! is left with all below it to the next collection of the whole store.

use std::collections::{HashMap, HashSet};

use varve_core::collect::Node;
use varve_core::labels::GC_ROOT;
use varve_core::{Digest, Namespace, Result};

use super::attend::{self, Guest};
use super::graph::{Graph, node_targets};
use super::sweep::{self, Verdict};
use crate::records::{Change, Noun, Target, View, edges};

/// Where a collection begins.
#[derive(Clone)]
pub struct Below {
    pub namespace: Namespace,
    pub digests: Vec<Digest>,
}

impl Below {
    /// Decides what goes, and removes its records.
    pub fn judge(&self, change: &mut Change<'_>, guests: &[Guest]) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        let absent = attend::absent(change, guests)?;
        if let Some(name) = absent.unsettled {
            attend::warn_of_unsettled(&name);
            return Ok(verdict);
        }
        let mut found = Found::new(&self.namespace, guests);
        found.follow(change, &self.digests)?;
        found.find_roots(change)?;
        found.graph.add_roots(change.barrier().seen());
        found.graph.add_roots(absent.roots);
        for target in found.unmarked() {
            match target {
                Target::Content(digest)
                    if Noun::content(&self.namespace, &digest).is_in(change)? =>
                {
                    verdict.collected.blobs.push((self.namespace.clone(), digest));
                }
                Target::Content(_) => {}
                Target::Snapshot { snapshotter, key } => {
                    let snapshot = (snapshotter, self.namespace.clone(), key);
                    verdict.collected.snapshots.push(snapshot);
                }
            }
        }
        verdict.generation = sweep::remove(change, &verdict.collected)?;
        Ok(verdict)
    }
}

/// The candidates, and what refers to what among them.
struct Found<'a> {
    namespace: &'a Namespace,
    nodes: HashMap<Target, (&'a str, &'a Node)>,
    candidates: HashSet<Target>,
    graph: Graph,
}

impl<'a> Found<'a> {
    fn new(namespace: &'a Namespace, guests: &'a [Guest]) -> Self {
        let all = guests.iter().flat_map(|guest| {
            guest.frozen.nodes.iter().map(move |node| (guest.name.as_str(), node))
        });
        let own = all.filter(|(_, node)| node.namespace == *namespace);
        let nodes = own.map(|it @ (name, node)| (Target::snapshot(name, &node.key), it)).collect();
        Self { namespace, nodes, candidates: HashSet::new(), graph: Graph::default() }
    }

    /// Takes in all that can be reached from `digests`.
    fn follow(&mut self, view: &impl View, digests: &[Digest]) -> Result<()> {
        let mut todo: Vec<Target> = digests.iter().copied().map(Target::Content).collect();
        while let Some(target) = todo.pop() {
            if self.candidates.insert(target.clone()) {
                let targets = self.targets(view, &target)?;
                self.graph.add((self.namespace.clone(), target), targets.clone());
                todo.extend(targets);
            }
        }
        Ok(())
    }

    /// What a candidate refers to. One whose label says that it stays becomes a root.
    fn targets(&mut self, view: &impl View, target: &Target) -> Result<Vec<Target>> {
        let (labels, targets) = match target {
            Target::Content(digest) => {
                let noun = Noun::content(self.namespace, digest);
                let Some(stored) = noun.load(view)? else { return Ok(Vec::new()) };
                let edges = edges::outgoing(&noun, &stored).into_iter();
                (stored.labels, edges.map(|(_, target)| target).collect())
            }
            Target::Snapshot { .. } => {
                let Some((name, node)) = self.nodes.get(target) else { return Ok(Vec::new()) };
                (node.labels.clone(), node_targets(name, node))
            }
        };
        if labels.contains_key(GC_ROOT) {
            self.graph.add_roots([(self.namespace.clone(), target.clone())]);
        }
        Ok(targets)
    }

    /// What refers to a candidate and is none.
    fn find_roots(&mut self, view: &impl View) -> Result<()> {
        let ours = |digest: &Digest| self.candidates.contains(&Target::Content(*digest));
        let mut roots = Vec::new();
        for target in &self.candidates {
            if edges::any_other(view, self.namespace, target, ours)? {
                roots.push(target.clone());
            }
        }
        for (target, (name, node)) in &self.nodes {
            if !self.candidates.contains(target) {
                roots.extend(node_targets(name, node));
            }
        }
        let place = |target| (self.namespace.clone(), target);
        self.graph.add_roots(roots.into_iter().map(place).collect::<Vec<_>>());
        Ok(())
    }

    /// The candidates that are here and that nothing keeps, in a fixed order.
    fn unmarked(self) -> Vec<Target> {
        let marked = self.graph.mark();
        let here = |target: &Target| match target {
            Target::Content(_) => true,
            Target::Snapshot { .. } => self.nodes.contains_key(target),
        };
        let gone = |target: &Target| !marked.contains(&(self.namespace.clone(), target.clone()));
        let mut unmarked: Vec<Target> =
            self.candidates.into_iter().filter(|target| here(target) && gone(target)).collect();
        unmarked.sort();
        unmarked
    }
}
