//! The graph of snapshots, without trees: its mounts name paths that do not exist.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::content::pick;
use crate::collect::{Attendee, Frozen, Node};
use crate::error::{Error, Result};
use crate::labels::{self, Labels};
use crate::leases::{Leases, Resource};
use crate::mask::Mask;
use crate::mount::Mount;
use crate::scope::{Namespace, Scope};
use crate::snapshots::{Info, Kind, NewSnapshot, Snapshots as Trait, Usage};
use crate::time;

/// One driver's snapshots in memory.
pub struct Snapshots {
    name: String,
    leases: Arc<dyn Leases>,
    graph: Mutex<Graph>,
}

#[derive(Default)]
struct Graph {
    /// Of the last freeze.
    generation: u64,
    births: u64,
    rooms: BTreeMap<Namespace, BTreeMap<String, Entry>>,
}

struct Entry {
    info: Info,
    /// Names its made-up directory, which a commit does not move.
    id: u64,
    /// The last freeze before it got its key.
    generation: u64,
}

impl Snapshots {
    /// An empty graph of the driver `name`, which puts what it makes on leases of `leases`.
    pub fn new(name: impl Into<String>, leases: Arc<dyn Leases>) -> Self {
        Self { name: name.into(), leases, graph: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hold(&self, scope: &Scope, key: &str) -> Result<()> {
        match &scope.lease {
            Some(id) => {
                let resource = Resource::snapshot(&self.name, key);
                self.leases.add_resource(scope, id, &resource).await
            }
            None => Ok(()),
        }
    }

    async fn make(&self, scope: &Scope, new: NewSnapshot, kind: Kind) -> Result<Vec<Mount>> {
        if new.key.is_empty() {
            return Err(Error::invalid("a snapshot needs a key"));
        }
        labels::check(&new.labels)?;
        self.hold(scope, &new.key).await?;
        self.lock().make(scope, new, kind)
    }
}

#[async_trait]
impl Trait for Snapshots {
    async fn stat(&self, scope: &Scope, key: &str) -> Result<Info> {
        Ok(self.lock().get(scope, key)?.info.clone())
    }

    async fn update(&self, scope: &Scope, key: &str, labels: &Labels, mask: &Mask) -> Result<Info> {
        mask.check(&[])?;
        let mut graph = self.lock();
        graph.get(scope, key)?;
        let entry = graph.room(scope).get_mut(key).expect("it was found a line above");
        mask.apply_labels(&mut entry.info.labels, labels)?;
        entry.info.updated_at = time::now();
        Ok(entry.info.clone())
    }

    /// Nothing is on disk, so nothing costs.
    async fn usage(&self, scope: &Scope, key: &str) -> Result<Usage> {
        self.lock().get(scope, key).map(|_| Usage::default())
    }

    async fn mounts(&self, scope: &Scope, key: &str) -> Result<Vec<Mount>> {
        self.lock().get(scope, key)?.mounts()
    }

    async fn prepare(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        self.make(scope, new, Kind::Active).await
    }

    async fn view(&self, scope: &Scope, new: NewSnapshot) -> Result<Vec<Mount>> {
        self.make(scope, new, Kind::View).await
    }

    async fn commit(&self, scope: &Scope, name: &str, key: &str, labels: &Labels) -> Result<()> {
        if name.is_empty() {
            return Err(Error::invalid("a committed snapshot needs a name"));
        }
        labels::check(labels)?;
        self.hold(scope, name).await?;
        self.lock().commit(scope, name, key, labels)
    }

    async fn remove(&self, scope: &Scope, key: &str) -> Result<()> {
        let mut graph = self.lock();
        graph.get(scope, key)?;
        if graph.has_child(scope, key) {
            let why = format!("cannot remove snapshot with child: {key}");
            return Err(Error::precondition(why));
        }
        graph.room(scope).remove(key);
        Ok(())
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        let graph = self.lock();
        let room = graph.rooms.get(&scope.namespace);
        pick(room.into_iter().flatten().map(|(_, entry)| &entry.info), filters)
    }
}

impl Graph {
    fn room(&mut self, scope: &Scope) -> &mut BTreeMap<String, Entry> {
        self.rooms.entry(scope.namespace.clone()).or_default()
    }

    fn get(&self, scope: &Scope, key: &str) -> Result<&Entry> {
        let found = self.rooms.get(&scope.namespace).and_then(|room| room.get(key));
        found.ok_or_else(|| Error::not_found(format!("snapshot {key}")))
    }

    fn has_child(&self, scope: &Scope, key: &str) -> bool {
        let mut all = self.rooms.get(&scope.namespace).into_iter().flatten();
        all.any(|(_, entry)| entry.info.parent.as_deref() == Some(key))
    }

    fn unused(&self, scope: &Scope, key: &str) -> Result<()> {
        match self.get(scope, key) {
            Ok(_) => Err(Error::already_exists(format!("snapshot {key}"))),
            Err(_) => Ok(()),
        }
    }

    fn make(&mut self, scope: &Scope, new: NewSnapshot, kind: Kind) -> Result<Vec<Mount>> {
        self.unused(scope, &new.key)?;
        if let Some(parent) = &new.parent
            && self.get(scope, parent)?.info.kind != Kind::Committed
        {
            return Err(Error::invalid(format!("parent {parent} is not committed")));
        }
        self.births += 1;
        let (now, name, generation) = (time::now(), new.key, self.generation);
        let (parent, labels) = (new.parent, new.labels);
        let info = Info { kind, name, parent, labels, created_at: now, updated_at: now };
        let entry = Entry { info, id: self.births, generation };
        let mounts = entry.mounts();
        self.room(scope).insert(entry.info.name.clone(), entry);
        mounts
    }

    fn commit(&mut self, scope: &Scope, name: &str, key: &str, labels: &Labels) -> Result<()> {
        self.unused(scope, name)?;
        if self.get(scope, key)?.info.kind != Kind::Active {
            return Err(Error::precondition(format!("snapshot {key} is not active")));
        }
        let generation = self.generation;
        let mut entry = self.room(scope).remove(key).expect("it was found a few lines above");
        let (parent, now) = (entry.info.parent.take(), time::now());
        let (kind, name, labels) = (Kind::Committed, name.to_owned(), labels.clone());
        let info = Info { kind, name, parent, labels, created_at: now, updated_at: now };
        let entry = Entry { info, generation, ..entry };
        self.room(scope).insert(entry.info.name.clone(), entry);
        Ok(())
    }
}

impl Entry {
    fn mounts(&self) -> Result<Vec<Mount>> {
        let mode = match self.info.kind {
            Kind::Active => "rw",
            Kind::View => "ro",
            Kind::Committed => {
                let why = format!("snapshot {} is committed and has no mounts", self.info.name);
                return Err(Error::precondition(why));
            }
        };
        Ok(vec![Mount::bind(format!("/nonexistent/varve/{}", self.id), mode)])
    }

    fn node(&self, namespace: &Namespace) -> Node {
        let labels =
            self.info.labels.iter().filter(|(key, _)| key.starts_with("containerd.io/gc."));
        Node {
            namespace: namespace.clone(),
            key: self.info.name.clone(),
            parent: self.info.parent.clone(),
            labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
            size: 0,
        }
    }
}

#[async_trait]
impl Attendee for Snapshots {
    async fn freeze(&self) -> Result<Frozen> {
        let mut graph = self.lock();
        graph.generation += 1;
        let nodes = graph
            .rooms
            .iter()
            .flat_map(|(namespace, room)| room.values().map(|entry| entry.node(namespace)));
        Ok(Frozen { generation: graph.generation, nodes: nodes.collect() })
    }

    async fn remove(&self, generation: u64, doomed: Vec<(Namespace, String)>) -> Result<u64> {
        let mut graph = self.lock();
        let mut left = doomed;
        loop {
            let before = left.len();
            left.retain(|(namespace, key)| {
                let scope = Scope::of(namespace.clone());
                let old = graph.get(&scope, key).is_ok_and(|entry| entry.generation < generation);
                let leaf = old && !graph.has_child(&scope, key);
                if leaf {
                    graph.room(&scope).remove(key);
                }
                old && !leaf
            });
            if left.len() == before {
                return Ok(0);
            }
        }
    }
}
