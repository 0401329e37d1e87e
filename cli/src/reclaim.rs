//! What a removal of images would free, told before it is done: one computation for `image prune --dry-run` and `df`.

use std::collections::HashSet;

use varve_core::Result;
use varve_core::collect::Collected;
use varve_core::images::Image as Named;

use crate::reach::{Graph, Place};
use crate::session::Session;

/// What would go.
pub struct Reclaim {
    /// With the images, and with nothing else.
    pub freed: HashSet<Place>,
    /// What a collection would take already.
    pub garbage: Collected,
    /// Bytes on disk that would come free with all of it.
    pub bytes: u64,
}

impl Reclaim {
    /// Where these names go and then a collection runs.
    pub async fn of(session: &Session, graph: &Graph, doomed: &[Named]) -> Result<Self> {
        let names: HashSet<&str> = doomed.iter().map(|named| named.name.as_str()).collect();
        let freed = graph.kept_by(|name| names.contains(name));
        let sizes = graph.sizes(session, freed.iter().cloned()).await?;
        let own = sizes.values().fold(0_u64, |sum, size| sum.saturating_add(size.free));
        let garbage = session.services.collector.collect(true).await?;
        let bytes = own.saturating_add(garbage.bytes);
        Ok(Self { freed, garbage, bytes })
    }

    /// Blobs and snapshots of the session's namespace that would go.
    pub fn places(&self, session: &Session) -> HashSet<Place> {
        self.freed.iter().cloned().chain(places(session, &self.garbage)).collect()
    }
}

/// What a collection took, or would take, of the session's namespace.
pub fn places(session: &Session, collected: &Collected) -> impl Iterator<Item = Place> {
    let own = session.scope.namespace.clone();
    let blobs = collected.blobs.iter();
    let blobs = blobs.map(|(space, digest)| (space, Place::Blob(digest.to_string())));
    let snapshots = collected.snapshots.iter();
    let snapshots =
        snapshots.map(|(by, space, key)| (space, Place::Snapshot(by.clone(), key.clone())));
    blobs.chain(snapshots).filter(move |(space, _)| **space == own).map(|(_, place)| place)
}
