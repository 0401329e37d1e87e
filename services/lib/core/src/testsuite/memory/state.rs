//! What the store holds: bytes for all, and a room for each namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::containers::Container;
use crate::content::{Info, Status};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::images::Image;
use crate::labels::Labels;
use crate::leases::{Lease, Resource};
use crate::scope::{Namespace, Scope};

/// Everything.
#[derive(Default)]
pub(super) struct State {
    /// Of every namespace; a blob's bytes are the same everywhere.
    pub bytes: BTreeMap<Digest, Bytes>,
    pub rooms: BTreeMap<Namespace, Room>,
    /// Tells ingests of one ref apart.
    pub births: u64,
}

/// One namespace.
#[derive(Default)]
pub(super) struct Room {
    /// It was created by name, not only written in.
    pub created: bool,
    pub labels: Labels,
    pub blobs: BTreeMap<Digest, Info>,
    pub ingests: BTreeMap<String, Ingest>,
    pub images: BTreeMap<String, Image>,
    pub leases: BTreeMap<String, Held>,
    pub containers: BTreeMap<String, Container>,
}

/// A lease and what it holds.
pub(super) struct Held {
    pub lease: Lease,
    pub resources: BTreeSet<Resource>,
}

/// An ingest. It outlives its writers.
pub(super) struct Ingest {
    pub birth: u64,
    /// Rises when bytes that a follower may have read are taken back.
    pub epoch: u64,
    /// A writer has it.
    pub held: bool,
    pub status: Status,
    pub bytes: Vec<u8>,
    pub hasher: Hasher,
    /// The epoch it was committed in, and as what; stays empty where it was dropped.
    pub fate: Arc<OnceLock<(u64, Digest)>>,
}

impl State {
    /// The room of a namespace that is to be written in.
    pub fn room(&mut self, scope: &Scope) -> &mut Room {
        self.rooms.entry(scope.namespace.clone()).or_default()
    }

    /// The room of a namespace, where there is one.
    pub fn look(&self, scope: &Scope) -> Option<&Room> {
        self.rooms.get(&scope.namespace)
    }

    pub fn blob(&self, scope: &Scope, digest: &Digest) -> Result<&Info> {
        let blob = self.look(scope).and_then(|room| room.blobs.get(digest));
        blob.ok_or_else(|| Error::not_found(format!("content {digest}")))
    }

    pub fn ingest(&mut self, scope: &Scope, ingest: &str) -> Result<&mut Ingest> {
        let room = self.rooms.get_mut(&scope.namespace);
        let found = room.and_then(|room| room.ingests.get_mut(ingest));
        found.ok_or_else(|| Error::not_found(format!("ingest {ingest}")))
    }

    /// Adds `resource` to the request's lease, if it has one: before anything else is done.
    pub fn hold(&mut self, scope: &Scope, resource: Resource) -> Result<()> {
        if let Some(id) = &scope.lease {
            self.lease(scope, id)?.resources.insert(resource);
        }
        Ok(())
    }

    /// Takes `resource` out of the request's lease, if it has one.
    pub fn let_go(&mut self, scope: &Scope, resource: &Resource) {
        if let Some(Ok(held)) = scope.lease.as_ref().map(|id| self.lease(scope, id)) {
            held.resources.remove(resource);
        }
    }

    pub fn lease(&mut self, scope: &Scope, id: &str) -> Result<&mut Held> {
        let room = self.rooms.get_mut(&scope.namespace);
        let found = room.and_then(|room| room.leases.get_mut(id));
        found.ok_or_else(|| Error::not_found(format!("lease {id} does not exist")))
    }

    /// Forgets the bytes that no namespace has any more; answers how many they were.
    pub fn sweep(&mut self) -> u64 {
        let rooms = &self.rooms;
        let before: usize = self.bytes.values().map(Bytes::len).sum();
        self.bytes.retain(|digest, _| rooms.values().any(|room| room.blobs.contains_key(digest)));
        let after: usize = self.bytes.values().map(Bytes::len).sum();
        (before - after) as u64
    }
}

impl Ingest {
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.hasher.update(bytes);
        self.status.offset = self.bytes.len() as u64;
        self.status.updated_at = crate::time::now();
    }

    /// Cuts to `size` bytes, which must be there.
    pub fn cut(&mut self, size: usize) {
        let rest = std::mem::take(&mut self.bytes);
        self.hasher = Hasher::new();
        self.epoch += 1;
        self.append(&rest[..size]);
    }
}
