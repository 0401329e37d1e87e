//! What tells others: each trait that changes something, over any implementation of it, telling an
//! event after each success, under containerd's topics.
//!
//! Services know nothing of events, and whoever composes a process decides what is told and where. Not
//! told is what the services do by themselves: the name that keeps a dangling image.

mod collector;
mod containers;
mod content;
mod images;
mod namespaces;
mod snapshots;

use std::sync::Arc;

use varve_core::Namespace;
use varve_core::snapshotters::Snapshotters;

use crate::events::{Announcer, Fact};
use crate::served::Store;

/// An implementation whose successes are told.
struct Announcing<T: ?Sized> {
    inner: Arc<T>,
    to: Announcer,
}

impl<T: ?Sized> Announcing<T> {
    fn new(inner: Arc<T>, to: &Announcer) -> Arc<Self> {
        Arc::new(Self { inner, to: to.clone() })
    }

    fn tell(&self, namespace: &Namespace, fact: &impl Fact) {
        self.to.tell(namespace, fact);
    }
}

/// A store whose changes are told.
pub fn store(store: impl Into<Store>, to: &Announcer) -> Store {
    let Store { content, images, leases, namespaces, containers, collector, fsck } = store.into();
    Store {
        content: Announcing::new(content, to),
        images: Announcing::new(images, to),
        leases,
        namespaces: Announcing::new(namespaces, to),
        containers: Announcing::new(containers, to),
        collector: Announcing::new(collector, to),
        fsck,
    }
}

/// Snapshotters whose changes are told. What a collection removes is the store's to tell.
pub fn snapshotters(snapshotters: Arc<dyn Snapshotters>, to: &Announcer) -> Arc<dyn Snapshotters> {
    Announcing::new(snapshotters, to)
}
