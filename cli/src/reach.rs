//! Who keeps what on disk, followed from the roots as the collector follows it: by labels, leases, containers and
//! parents. For telling what a removal would free before it is done, what takes the room, and why something is kept.

mod load;
mod path;

use std::collections::{BTreeMap, HashMap, HashSet};

use varve_core::labels::{GC_REF_CONTENT, GC_REF_SNAPSHOT};
use varve_core::{Result, ResultExt, Scope, Timestamp};

use crate::services::Snapshotter;
use crate::session::Session;
use crate::survey;

pub use path::Way;

/// A blob or a snapshot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// Its digest.
    Blob(String),
    /// Snapshotter and key.
    Snapshot(String, String),
}

/// What a place or a root refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    pub to: Place,
    /// The label's key; or `target`, `parent`, `snapshot`, `holds` where no label says it.
    pub by: String,
}

impl Edge {
    fn new(by: &str, to: Place) -> Self {
        Self { to, by: by.to_owned() }
    }
}

/// What the collector begins at.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Keeper {
    /// Its name.
    Image(String),
    /// One that has not ended.
    Lease {
        id: String,
        ends: Option<Timestamp>,
        /// What is done under it, in words: `pulling a:1`.
        work: Option<String>,
    },
    /// Its id.
    Container(String),
    /// The directory that an image is mounted on.
    Mount(String),
    /// The place itself, by its label `containerd.io/gc.root`.
    Label,
}

/// A keeper, and what it keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Root {
    pub keeper: Keeper,
    pub edges: Vec<Edge>,
    /// Only that, and not what that refers to.
    pub flat: bool,
}

/// Bytes of a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    pub disk: u64,
    /// What comes free with it: nothing, where another namespace has the same blob.
    pub free: u64,
}

/// All blobs and snapshots of one namespace, and what they refer to.
pub struct Graph {
    /// In an order, so that an answer is the same the next time.
    edges: BTreeMap<Place, Vec<Edge>>,
    blobs: HashMap<Place, Size>,
    snapshotters: HashMap<String, Snapshotter>,
    roots: Vec<Root>,
}

impl Graph {
    /// All that there is.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.edges.keys()
    }

    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// What a place refers to.
    pub fn edges(&self, place: &Place) -> &[Edge] {
        self.edges.get(place).map_or(&[], Vec::as_slice)
    }

    /// What is kept by the images of the names that go, and by nothing else.
    pub fn kept_by(&self, goes: impl Fn(&str) -> bool) -> HashSet<Place> {
        let going = |root: &&Root| matches!(&root.keeper, Keeper::Image(name) if goes(name));
        let (going, staying): (Vec<&Root>, Vec<&Root>) = self.roots.iter().partition(going);
        let kept = self.below(staying);
        self.below(going).difference(&kept).cloned().collect()
    }

    /// All that is reached from these. Edges that lead to what is not here are followed, too.
    pub fn below<'a>(&'a self, roots: impl IntoIterator<Item = &'a Root>) -> HashSet<Place> {
        let (flat, roots): (Vec<_>, Vec<_>) = roots.into_iter().partition(|root| root.flat);
        let mut next: Vec<&Place> = roots.into_iter().flat_map(targets).collect();
        let mut found = HashSet::new();
        while let Some(place) = next.pop() {
            if found.insert(place.clone()) {
                next.extend(self.edges(place).iter().map(|edge| &edge.to));
            }
        }
        found.extend(flat.into_iter().flat_map(targets).cloned());
        found
    }

    /// The bytes of each that is here; snapshots are asked for, some at the same time.
    pub async fn sizes(
        &self,
        session: &Session,
        places: impl IntoIterator<Item = Place>,
    ) -> Result<HashMap<Place, Size>> {
        let mut sizes = HashMap::new();
        let mut asked = Vec::new();
        for place in places {
            match (&place, self.blobs.get(&place)) {
                (_, Some(size)) => drop(sizes.insert(place, *size)),
                (Place::Snapshot(name, _), _) if self.edges.contains_key(&place) => {
                    asked.extend(self.snapshotters.get(name).cloned().map(|by| (by, place)));
                }
                _ => {}
            }
        }
        let scope = session.scope.clone();
        let answers = survey::each(asked, move |(snapshotter, place)| {
            let scope = scope.clone();
            async move { size_of(&snapshotter, &scope, &place).await.map(|bytes| (bytes, place)) }
        });
        for answer in answers.await? {
            let (bytes, place) = answer?;
            sizes.insert(place, Size { disk: bytes, free: bytes });
        }
        Ok(sizes)
    }
}

fn targets(root: &Root) -> impl Iterator<Item = &Place> {
    root.edges.iter().map(|edge| &edge.to)
}

/// Nothing for one that has gone meanwhile.
async fn size_of(snapshotter: &Snapshotter, scope: &Scope, place: &Place) -> Result<u64> {
    let Place::Snapshot(_, key) = place else { return Ok(0) };
    let usage = snapshotter.snapshots.usage(scope, key).await.found()?;
    Ok(usage.map_or(0, |usage| usage.size))
}

/// What a label refers to; beside the kind or the snapshotter there may be more in its key.
fn edge(key: &str, value: &str) -> Option<Edge> {
    if let Some(name) = key.strip_prefix(GC_REF_SNAPSHOT) {
        let name = name.split('/').next().unwrap_or_default();
        return Some(Edge::new(key, Place::Snapshot(name.to_owned(), value.to_owned())));
    }
    let rest = key.strip_prefix(GC_REF_CONTENT)?;
    let is_one = rest.is_empty() || rest.starts_with(['.', '/']);
    is_one.then(|| Edge::new(key, Place::Blob(value.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(name: &str) -> Place {
        Place::Blob(name.into())
    }

    fn root(keeper: Keeper, to: &str) -> Root {
        Root { keeper, edges: vec![Edge::new("x", blob(to))], flat: false }
    }

    /// Two images, `a` and `b`, share the layer `both`; a flat lease holds `b`'s manifest alone.
    pub(super) fn example() -> Graph {
        let refer = |from: &str, to: &[&str]| {
            (blob(from), to.iter().map(|to| Edge::new(&format!("l.{to}"), blob(to))).collect())
        };
        let lease = Keeper::Lease { id: "flat".into(), ends: None, work: None };
        Graph {
            edges: BTreeMap::from([
                refer("m-a", &["only-a", "both"]),
                refer("m-b", &["only-b", "both"]),
                refer("only-a", &[]),
                // A cycle.
                refer("only-b", &["m-b"]),
                refer("both", &[]),
                refer("nobody's", &["both"]),
            ]),
            blobs: HashMap::new(),
            snapshotters: HashMap::new(),
            roots: vec![
                root(Keeper::Image("a".into()), "m-a"),
                root(Keeper::Image("b".into()), "m-b"),
                Root { flat: true, ..root(lease, "m-b") },
            ],
        }
    }

    #[test]
    fn labels_of_containerd_are_edges_and_others_are_none() {
        let to = |key, value| edge(key, value).map(|edge| edge.to);
        let snapshot = Some(Place::Snapshot("native".into(), "k".into()));
        assert_eq!(to("containerd.io/gc.ref.snapshot.native", "k"), snapshot);
        assert_eq!(to("containerd.io/gc.ref.snapshot.native/x", "k"), snapshot);
        assert_eq!(to("containerd.io/gc.ref.content.l.0", "d"), Some(blob("d")));
        assert_eq!(to("containerd.io/gc.ref.contents", "d"), None);
        assert_eq!(to("maintainer", "d"), None);
    }

    #[test]
    fn with_an_image_goes_what_no_other_has() {
        let graph = example();
        assert_eq!(graph.kept_by(|name| name == "a"), [blob("m-a"), blob("only-a")].into());
        let all = [blob("m-a"), blob("only-a"), blob("only-b"), blob("both")];
        assert_eq!(graph.kept_by(|_| true), all.into(), "a flat lease keeps the manifest of b");
        assert!(!graph.below(graph.roots()).contains(&blob("nobody's")));
    }
}
