//! What is here of one namespace, asked for once for all images.

use std::collections::{BTreeMap, HashMap, HashSet};

use varve_core::snapshots::Kind;
use varve_core::{Digest, Labels, Result};

use crate::session::Session;

/// Blobs and snapshots.
pub struct Inventory {
    blobs: HashMap<Digest, Labels>,
    /// By snapshotter, each with its parent.
    snapshots: BTreeMap<String, HashMap<String, Option<String>>>,
    /// Snapshotters that have something and do not work here: nothing can be said of it.
    closed: HashSet<String>,
}

impl Inventory {
    pub async fn load(session: &Session) -> Result<Self> {
        let (services, scope) = (&session.services, &session.scope);
        let blobs = services.content.list(scope, &[]).await?;
        let blobs = blobs.into_iter().map(|info| (info.digest, info.labels)).collect();
        let mut snapshots = BTreeMap::new();
        for snapshotter in services.used_snapshotters().await? {
            let all = snapshotter.snapshots.list(scope, &[]).await?.into_iter();
            let all = all.filter(|info| info.kind == Kind::Committed);
            snapshots.insert(snapshotter.name, all.map(|info| (info.name, info.parent)).collect());
        }
        let drivers = services.snapshotters.drivers().await?.drivers.into_iter();
        let closed = drivers.filter(|it| it.used && !snapshots.contains_key(&it.name));
        let closed = closed.map(|it| it.name).collect();
        Ok(Self { blobs, snapshots, closed })
    }

    pub fn has(&self, digest: &Digest) -> bool {
        self.blobs.contains_key(digest)
    }

    /// Of a blob; none where it is not here.
    pub fn labels(&self, digest: &Digest) -> impl Iterator<Item = (&String, &String)> {
        self.blobs.get(digest).into_iter().flatten()
    }

    /// Whether nothing can be said of a snapshotter.
    pub fn is_closed(&self, snapshotter: &str) -> bool {
        self.closed.contains(snapshotter)
    }

    /// A committed snapshot's parent; none where there is no such snapshot.
    pub fn parent(&self, snapshotter: &str, key: &str) -> Option<&Option<String>> {
        self.snapshots.get(snapshotter)?.get(key)
    }
}
