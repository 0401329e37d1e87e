//! What images keep on disk, followed from their names as the collector follows it: by labels, leases, containers
//! and parents. For telling what a removal would free before it is done.

use std::collections::{HashMap, HashSet};

use varve_core::labels::{GC_REF_CONTENT, GC_REF_SNAPSHOT, GC_ROOT};
use varve_core::{Labels, Result, ResultExt, Scope};

use crate::services::Snapshotter;
use crate::session::Session;

/// A blob or a snapshot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// Its digest.
    Blob(String),
    /// Snapshotter and key.
    Snapshot(String, String),
}

/// All blobs and snapshots of one namespace, and what they refer to.
pub struct Graph {
    edges: HashMap<Place, Vec<Place>>,
    /// Of blobs whose bytes no other namespace has.
    sizes: HashMap<Place, u64>,
    snapshotters: HashMap<String, Snapshotter>,
    /// What is kept whichever images go.
    roots: Vec<Place>,
}

impl Graph {
    pub async fn load(session: &Session) -> Result<Self> {
        let mut graph = Self {
            edges: HashMap::new(),
            sizes: HashMap::new(),
            snapshotters: HashMap::new(),
            roots: Vec::new(),
        };
        graph.add_blobs(session).await?;
        graph.add_snapshots(session).await?;
        graph.add_roots(session).await?;
        Ok(graph)
    }

    /// What is kept by `going` alone, where the images at `staying` stay.
    pub fn kept_by(
        &self,
        going: impl Iterator<Item = Place>,
        staying: impl Iterator<Item = Place>,
    ) -> HashSet<Place> {
        let kept = self.below(staying.chain(self.roots.iter().cloned()));
        self.below(going).difference(&kept).cloned().collect()
    }

    /// Bytes on disk that would come free with these.
    pub async fn bytes(&self, session: &Session, places: &HashSet<Place>) -> Result<u64> {
        let mut bytes = 0_u64;
        for place in places {
            bytes = bytes.saturating_add(self.size(session, place).await?);
        }
        Ok(bytes)
    }

    fn below(&self, roots: impl Iterator<Item = Place>) -> HashSet<Place> {
        let mut next: Vec<Place> = roots.collect();
        let mut found = HashSet::new();
        while let Some(place) = next.pop() {
            if found.insert(place.clone()) {
                next.extend(self.edges.get(&place).into_iter().flatten().cloned());
            }
        }
        found
    }

    async fn size(&self, session: &Session, place: &Place) -> Result<u64> {
        let Place::Snapshot(name, key) = place else {
            return Ok(self.sizes.get(place).copied().unwrap_or(0));
        };
        let Some(snapshotter) = self.snapshotters.get(name) else { return Ok(0) };
        let usage = snapshotter.snapshots.usage(&session.scope, key).await.found()?;
        Ok(usage.map_or(0, |usage| usage.size))
    }

    fn add(&mut self, place: Place, labels: &Labels, parent: Option<Place>) {
        if labels.contains_key(GC_ROOT) {
            self.roots.push(place.clone());
        }
        let edges = labels.iter().filter_map(|(key, value)| edge(key, value));
        self.edges.insert(place, edges.chain(parent).collect());
    }

    async fn add_blobs(&mut self, session: &Session) -> Result<()> {
        let (services, own) = (&session.services, &session.scope);
        let mut elsewhere = HashSet::new();
        for (namespace, _) in services.namespaces.list().await? {
            if namespace != own.namespace {
                let blobs = services.content.list(&Scope::of(namespace), &[]).await?;
                elsewhere.extend(blobs.into_iter().map(|info| info.digest));
            }
        }
        for info in services.content.list(own, &[]).await? {
            let place = Place::Blob(info.digest.to_string());
            if !elsewhere.contains(&info.digest) {
                self.sizes.insert(place.clone(), info.size);
            }
            self.add(place, &info.labels, None);
        }
        Ok(())
    }

    async fn add_snapshots(&mut self, session: &Session) -> Result<()> {
        for snapshotter in session.services.used_snapshotters().await? {
            let place = |key: String| Place::Snapshot(snapshotter.name.clone(), key);
            for info in snapshotter.snapshots.list(&session.scope, &[]).await? {
                self.add(place(info.name), &info.labels, info.parent.map(place));
            }
            self.snapshotters.insert(snapshotter.name.clone(), snapshotter);
        }
        Ok(())
    }

    /// Leases, and containers.
    async fn add_roots(&mut self, session: &Session) -> Result<()> {
        let (services, scope) = (&session.services, &session.scope);
        for lease in services.leases.list(scope, &[]).await? {
            for held in services.leases.list_resources(scope, &lease.id).await? {
                self.roots.extend(match held.kind.strip_prefix("snapshots/") {
                    Some(name) => Some(Place::Snapshot(name.to_owned(), held.id)),
                    None => (held.kind == "content").then_some(Place::Blob(held.id)),
                });
            }
        }
        for container in services.containers.list(scope, &[]).await? {
            self.roots.push(Place::Snapshot(container.snapshotter, container.snapshot_key));
            self.roots.extend(container.labels.iter().filter_map(|(key, value)| edge(key, value)));
        }
        Ok(())
    }
}

/// What a label refers to; beside the kind or the snapshotter there may be more in its key.
fn edge(key: &str, value: &str) -> Option<Place> {
    if let Some(name) = key.strip_prefix(GC_REF_SNAPSHOT) {
        let name = name.split('/').next().unwrap_or_default();
        return Some(Place::Snapshot(name.to_owned(), value.to_owned()));
    }
    let rest = key.strip_prefix(GC_REF_CONTENT)?;
    let is_one = rest.is_empty() || rest.starts_with(['.', '/']);
    is_one.then(|| Place::Blob(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_containerd_are_edges_and_others_are_none() {
        let snapshot = Some(Place::Snapshot("native".into(), "k".into()));
        assert_eq!(edge("containerd.io/gc.ref.snapshot.native", "k"), snapshot);
        assert_eq!(edge("containerd.io/gc.ref.snapshot.native/x", "k"), snapshot);
        let blob = Some(Place::Blob("d".into()));
        assert_eq!(edge("containerd.io/gc.ref.content.l.0", "d"), blob);
        assert_eq!(edge("containerd.io/gc.ref.contents", "d"), None);
        assert_eq!(edge("maintainer", "d"), None);
    }
}
