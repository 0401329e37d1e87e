//! All that takes room in one namespace, and what of it would go.

use std::collections::{BTreeMap, HashMap, HashSet};

use varve_core::containers::Container;
use varve_core::content::Status;
use varve_core::images::Image as Named;
use varve_core::labels::GC_REF_CONTENT;
use varve_core::{Digest, Result};

use super::Row;
use crate::reach::{Graph, Keeper, Place, Size};
use crate::reclaim::Reclaim;
use crate::session::Session;
use crate::usage::{Users, by_image};

/// What was found, and what a prune of all and a collection would take of it.
pub struct Account {
    pub graph: Graph,
    pub sizes: HashMap<Place, Size>,
    /// The names of each image, by target.
    pub images: BTreeMap<Digest, Vec<Named>>,
    pub users: Users,
    pub containers: Vec<Container>,
    pub ingests: Vec<Status>,
    pub reclaim: Reclaim,
    doomed: HashSet<Place>,
    doomed_ingests: HashSet<String>,
    spare_images: usize,
}

impl Account {
    pub async fn load(session: &Session) -> Result<Self> {
        let (services, scope) = (&session.services, &session.scope);
        let images = by_image(services.images.list(scope, &[]).await?);
        let users = Users::load(session).await?;
        let spare: Vec<_> = images.values().filter(|names| users.spare(names, true)).collect();
        let spare_images = spare.len();
        let names: Vec<Named> = spare.into_iter().flatten().cloned().collect();
        let graph = Graph::load(session).await?;
        let sizes = graph.sizes(session, graph.places().cloned()).await?;
        let reclaim = Reclaim::of(session, &graph, &names).await?;
        let idle = reclaim.garbage.ingests.iter().filter(|(space, _)| *space == scope.namespace);
        Ok(Self {
            containers: services.containers.list(scope, &[]).await?,
            ingests: services.content.list_statuses(scope, &[]).await?,
            doomed: reclaim.places(session),
            doomed_ingests: idle.map(|(_, name)| name.clone()).collect(),
            graph,
            sizes,
            images,
            users,
            reclaim,
            spare_images,
        })
    }

    pub fn rows(&self) -> Vec<Row> {
        let own = self.containers_own();
        let layers = self.layers();
        let (writable, snapshots): (Vec<_>, Vec<_>) =
            self.graph.places().filter(|it| is_snapshot(it)).partition(|it| own.contains(it));
        vec![
            self.images_row(),
            self.row("Layers", &layers),
            self.row("Snapshots", &snapshots),
            // A container's record keeps what it has: nobody but its owner removes it.
            Row {
                total: self.containers.len(),
                active: self.containers.len(),
                ..self.row("Containers", &writable)
            },
            self.ingests_row(),
        ]
    }

    /// Bytes on disk of all there is.
    pub fn size(&self) -> u64 {
        let ingests = self.ingests.iter().map(|ingest| ingest.offset);
        self.sizes.values().map(|size| size.disk).chain(ingests).fold(0, u64::saturating_add)
    }

    /// A row of places.
    pub fn row(&self, kind: &'static str, places: &[&Place]) -> Row {
        let (gone, stay): (Vec<&Place>, Vec<&Place>) =
            places.iter().copied().partition(|place| self.doomed.contains(place));
        let disk = |place: &&Place| self.size_of(place).disk;
        let free = gone.iter().map(|place| self.size_of(place).free);
        Row {
            kind,
            total: places.len(),
            active: stay.len(),
            size: places.iter().map(disk).fold(0, u64::saturating_add),
            reclaimable: free.fold(0, u64::saturating_add),
        }
    }

    /// Nothing for what is not here.
    pub fn size_of(&self, place: &Place) -> Size {
        self.sizes.get(place).copied().unwrap_or_default()
    }

    pub fn is_idle(&self, ingest: &Status) -> bool {
        self.doomed_ingests.contains(&ingest.ingest)
    }

    /// All that names keep. What else is garbage is no image's.
    fn images_row(&self) -> Row {
        let roots = self.graph.roots().iter();
        let named = roots.filter(|root| matches!(root.keeper, Keeper::Image(_)));
        let kept = self.graph.below(named);
        let free = self.reclaim.freed.iter().map(|place| self.size_of(place).free);
        Row {
            kind: "Images",
            total: self.images.len(),
            active: self.images.len() - self.spare_images,
            size: kept.iter().map(|it| self.size_of(it).disk).fold(0, u64::saturating_add),
            reclaimable: free.fold(0, u64::saturating_add),
        }
    }

    fn ingests_row(&self) -> Row {
        let (gone, stay): (Vec<_>, Vec<_>) =
            self.ingests.iter().partition(|ingest| self.is_idle(ingest));
        let bytes = |all: &[&Status]| all.iter().map(|it| it.offset).fold(0, u64::saturating_add);
        Row {
            kind: "Ingests",
            total: self.ingests.len(),
            active: stay.len(),
            size: bytes(&gone).saturating_add(bytes(&stay)),
            reclaimable: bytes(&gone),
        }
    }

    /// What containers write to.
    fn containers_own(&self) -> HashSet<Place> {
        let own = |it: &Container| Place::Snapshot(it.snapshotter.clone(), it.snapshot_key.clone());
        self.containers.iter().map(own).collect()
    }

    /// The blobs that are no documents: neither what a name points to, nor what refers to blobs, nor what is
    /// referred to as a manifest or a config.
    fn layers(&self) -> Vec<&Place> {
        let targets = self.images.keys().map(|digest| Place::Blob(digest.to_string()));
        let mut documents: HashSet<Place> = targets.collect();
        for place in self.graph.places() {
            for edge in self.graph.edges(place) {
                let Some(word) = edge.by.strip_prefix(GC_REF_CONTENT) else { continue };
                documents.insert(place.clone());
                if word == ".config" || word.starts_with(".m.") {
                    documents.insert(edge.to.clone());
                }
            }
        }
        let layer = |place: &&Place| !is_snapshot(place) && !documents.contains(place);
        self.graph.places().filter(layer).collect()
    }
}

pub fn is_snapshot(place: &Place) -> bool {
    matches!(place, Place::Snapshot(..))
}
