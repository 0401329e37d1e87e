//! The snapshots that are being removed at this moment, and who has to wait for it.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use varve_core::leases::Resource;
use varve_core::{Labels, Namespace};

use super::graph::Place;
use crate::records::Target;
use crate::store::Store;

/// Longer than any removal should take; a caller that waited so long is answered all the same.
const LIMIT: Duration = Duration::from_secs(60);

/// What is being removed.
#[derive(Default)]
pub struct Removal(watch::Sender<HashSet<Place>>);

impl Removal {
    /// Called inside the transaction that decided it.
    pub fn begin(&self, snapshots: &[(String, Namespace, String)]) {
        let places = snapshots.iter().map(|(snapshotter, namespace, key)| {
            (namespace.clone(), Target::snapshot(snapshotter, key))
        });
        self.0.send_replace(places.collect());
    }

    pub fn end(&self) {
        self.0.send_replace(HashSet::new());
    }
}

impl Store {
    /// After a reference to a snapshot was added: answers once no removal of it is under way, so
    /// that what the caller finds then stays.
    pub async fn settled(&self, namespace: &Namespace, resource: &Resource) {
        if let Some(target) = Target::of_resource(resource) {
            self.settled_place((namespace.clone(), target)).await;
        }
    }

    /// The same for all that labels refer to.
    pub async fn settled_labels(&self, namespace: &Namespace, labels: &Labels) {
        for (label, value) in labels {
            if let Some(target @ Target::Snapshot { .. }) = Target::of_label(label, value) {
                self.settled_place((namespace.clone(), target)).await;
            }
        }
    }

    async fn settled_place(&self, place: Place) {
        let mut removing = self.removal.0.subscribe();
        let gone = removing.wait_for(|places| !places.contains(&place));
        if tokio::time::timeout(LIMIT, gone).await.is_err() {
            tracing::warn!(?place, "a snapshot is being removed for more than a minute");
        }
    }
}
