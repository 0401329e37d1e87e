//! Reads the graph of one namespace from the services.

use std::collections::{BTreeMap, HashMap, HashSet};

use varve_core::images::User;
use varve_core::labels::{GC_FLAT, GC_ROOT, MOUNT_TARGET};
use varve_core::leases::{Lease, Resource, expiry};
use varve_core::{Labels, Result, ResultExt, Scope};

use super::{Edge, Graph, Keeper, Place, Root, Size, edge};
use crate::pull;
use crate::session::Session;

impl Graph {
    pub async fn load(session: &Session) -> Result<Self> {
        let mut graph = Self {
            edges: BTreeMap::new(),
            blobs: HashMap::new(),
            snapshotters: HashMap::new(),
            roots: Vec::new(),
        };
        graph.add_blobs(session).await?;
        graph.add_snapshots(session).await?;
        graph.add_images(session).await?;
        graph.add_leases(session).await?;
        graph.add_containers(session).await?;
        Ok(graph)
    }

    fn add(&mut self, place: Place, labels: &Labels, parent: Option<Place>) {
        if labels.contains_key(GC_ROOT) {
            // The view of a mount has it.
            let mount = labels.get(MOUNT_TARGET).cloned().map(Keeper::Mount);
            let keeper = mount.unwrap_or(Keeper::Label);
            self.add_root(keeper, vec![Edge::new(GC_ROOT, place.clone())]);
        }
        let parent = parent.map(|parent| Edge::new("parent", parent));
        self.edges.insert(place, by_labels(labels).chain(parent).collect());
    }

    fn add_root(&mut self, keeper: Keeper, edges: Vec<Edge>) {
        self.roots.push(Root { keeper, edges, flat: false });
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
            let free = if elsewhere.contains(&info.digest) { 0 } else { info.size };
            self.blobs.insert(place.clone(), Size { disk: info.size, free });
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

    async fn add_images(&mut self, session: &Session) -> Result<()> {
        for named in session.services.images.list(&session.scope, &[]).await? {
            let target = Edge::new("target", Place::Blob(named.target.digest.to_string()));
            let edges = by_labels(&named.labels).chain([target]).collect();
            self.add_root(Keeper::Image(named.name), edges);
        }
        Ok(())
    }

    /// Those that have not ended.
    async fn add_leases(&mut self, session: &Session) -> Result<()> {
        let (leases, scope) = (&session.services.leases, &session.scope);
        let now = varve_core::time::now();
        for lease in leases.list(scope, &[]).await? {
            let ends = expiry(&lease.labels);
            if ends.is_some_and(|end| end <= now) {
                continue;
            }
            let Some(held) = leases.list_resources(scope, &lease.id).await.found()? else {
                continue;
            };
            let edges = held.into_iter().filter_map(held_by_lease).collect();
            let flat = lease.labels.contains_key(GC_FLAT);
            self.roots.push(Root { keeper: keeper(lease), edges, flat });
        }
        Ok(())
    }

    async fn add_containers(&mut self, session: &Session) -> Result<()> {
        for container in session.services.containers.list(&session.scope, &[]).await? {
            let own = (!container.snapshot_key.is_empty())
                .then_some(Place::Snapshot(container.snapshotter, container.snapshot_key));
            let own = own.map(|place| Edge::new("snapshot", place));
            let edges = by_labels(&container.labels).chain(own).collect();
            self.add_root(Keeper::Container(container.id), edges);
        }
        Ok(())
    }
}

fn by_labels(labels: &Labels) -> impl Iterator<Item = Edge> {
    labels.iter().filter_map(|(key, value)| edge(key, value))
}

fn keeper(lease: Lease) -> Keeper {
    match User::of_lease(&lease.labels) {
        Some(User::Mount(dir)) => Keeper::Mount(dir),
        _ => Keeper::Lease {
            ends: expiry(&lease.labels),
            work: pull::lease::work(&lease.labels),
            id: lease.id,
        },
    }
}

/// Ingests are no places.
fn held_by_lease(held: Resource) -> Option<Edge> {
    let place = match held.kind.strip_prefix("snapshots/") {
        Some(name) => Place::Snapshot(name.to_owned(), held.id),
        None if held.kind == "content" => Place::Blob(held.id),
        None => return None,
    };
    Some(Edge::new("holds", place))
}
