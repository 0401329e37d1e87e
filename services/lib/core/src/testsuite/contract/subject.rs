//! What the contracts are run on.

use std::sync::Arc;

use super::tree::Reach;
use crate::collect::{Attendee, Collector};
use crate::containers::Containers;
use crate::content::Content;
use crate::images::Images;
use crate::leases::Leases;
use crate::namespaces::Namespaces;
use crate::snapshots::Snapshots;

/// The traits of one content store: objects of one or of several kinds over the same records.
#[derive(Clone)]
pub struct Services {
    pub content: Arc<dyn Content>,
    pub images: Arc<dyn Images>,
    pub leases: Arc<dyn Leases>,
    pub namespaces: Arc<dyn Namespaces>,
    pub containers: Arc<dyn Containers>,
    pub collector: Arc<dyn Collector>,
}

impl Services {
    /// Of one object that is all of them.
    pub fn all<S>(store: Arc<S>) -> Self
    where
        S: Content + Images + Leases + Namespaces + Containers + Collector + 'static,
    {
        Self {
            content: store.clone(),
            images: store.clone(),
            leases: store.clone(),
            namespaces: store.clone(),
            containers: store.clone(),
            collector: store,
        }
    }
}

/// One driver's snapshots, and what stands around them.
#[derive(Clone)]
pub struct SnapshotsSubject {
    /// The driver's name, as leases spell it.
    pub name: String,
    pub snapshots: Arc<dyn Snapshots>,
    /// Where it adds what it makes to leases.
    pub leases: Arc<dyn Leases>,
    pub attendee: Arc<dyn Attendee>,
    /// How to get at its trees; `None` for a graph that has none.
    pub reach: Option<Reach>,
    /// Whether `reach` makes views that cannot be written.
    pub views_are_read_only: bool,
}

impl SnapshotsSubject {
    /// A graph without trees.
    pub fn graph_only<S>(name: &str, snapshots: Arc<S>, leases: Arc<dyn Leases>) -> Self
    where
        S: Snapshots + Attendee + 'static,
    {
        let (attendee, name) = (snapshots.clone(), name.to_owned());
        Self { name, snapshots, leases, attendee, reach: None, views_are_read_only: false }
    }

    /// With trees that are reached by mounting them (as root).
    pub fn mounted(self) -> Self {
        Self { reach: Some(super::tree::by_mounting()), views_are_read_only: true, ..self }
    }

    /// With trees that are reached at the source of their one bind mount.
    pub fn in_place(self) -> Self {
        Self { reach: Some(super::tree::in_place()), ..self }
    }
}
