//! Records of namespaces.

use async_trait::async_trait;

use super::state::Room;
use super::store::Store;
use crate::error::{Error, Result};
use crate::labels::{self, Labels};
use crate::mask::Mask;
use crate::namespaces::Namespaces;
use crate::scope::Namespace;

#[async_trait]
impl Namespaces for Store {
    async fn get(&self, namespace: &Namespace) -> Result<Labels> {
        let state = self.lock();
        Ok(state.rooms.get(namespace).map(|room| room.labels.clone()).unwrap_or_default())
    }

    async fn list(&self) -> Result<Vec<(Namespace, Labels)>> {
        let state = self.lock();
        let here = state.rooms.iter().filter(|(_, room)| room.is_here());
        Ok(here.map(|(name, room)| (name.clone(), room.labels.clone())).collect())
    }

    async fn create(&self, namespace: &Namespace, labels: &Labels) -> Result<()> {
        labels::check(labels)?;
        let mut state = self.lock();
        let room = state.rooms.entry(namespace.clone()).or_default();
        if room.created {
            return Err(Error::already_exists(format!("namespace {namespace}")));
        }
        room.created = true;
        room.labels.clone_from(labels);
        Ok(())
    }

    async fn update(&self, namespace: &Namespace, labels: &Labels, mask: &Mask) -> Result<Labels> {
        mask.check(&[])?;
        let mut state = self.lock();
        let room = state.rooms.entry(namespace.clone()).or_default();
        room.created = true;
        mask.apply_labels(&mut room.labels, labels)?;
        Ok(room.labels.clone())
    }

    async fn delete(&self, namespace: &Namespace) -> Result<()> {
        let mut state = self.lock();
        let room = state.rooms.get(namespace).filter(|room| room.is_here());
        let left = room.ok_or_else(|| missing(namespace))?.left();
        if !left.is_empty() {
            let left = left.join(", ");
            return Err(Error::precondition(format!("namespace {namespace} still has {left}")));
        }
        state.rooms.remove(namespace);
        Ok(())
    }
}

fn missing(namespace: &Namespace) -> Error {
    Error::not_found(format!("namespace {namespace}"))
}

impl Room {
    fn is_here(&self) -> bool {
        self.created || !self.labels.is_empty() || !self.left().is_empty()
    }

    /// What is in it, by kind.
    fn left(&self) -> Vec<&'static str> {
        let counts = [
            ("blobs", self.blobs.len()),
            ("ingests", self.ingests.len()),
            ("images", self.images.len()),
            ("leases", self.leases.len()),
            ("containers", self.containers.len()),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(kind, _)| kind).collect()
    }
}
