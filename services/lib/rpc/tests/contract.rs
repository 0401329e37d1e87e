//! The contracts of a content store and of a snapshotter's graph, over the wire: who calls cannot tell
//! where a service runs.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use varve_core::changes::{Changes, Listing};
use varve_core::collect::Collector;
use varve_core::diff::{Diff, NewLayer};
use varve_core::fsck::{Compared, Finding, Trees};
use varve_core::snapshotters::{Driver, Drivers, Snapshotter, Snapshotters};
use varve_core::testsuite::contract::{Services, SnapshotsSubject};
use varve_core::testsuite::{Door, memory};
use varve_core::unpack::{Layer, Progress, Unpacked, Unpacker};
use varve_core::{Descriptor, Error, Kind, Mount, Result, Scope};
use varve_rpc::{collect, snapshots};

const NAME: &str = "memory";

async fn store() -> (Services, kit::Serving) {
    let pipes = kit::Pipes::new();
    let store = Services::all(Arc::new(memory::Store::new()));
    let serving = pipes.serve(kit::routes(&store), Some(store.content.clone()));
    (kit::clients(&pipes.channel()), serving)
}
varve_core::content_store_contract!(store);

/// Both ways: the graph is asked over its server, and attends over a client of the store's.
async fn graph() -> (SnapshotsSubject, (kit::Serving, collect::Client)) {
    let store = Arc::new(memory::Store::new());
    let graph = Arc::new(memory::Snapshots::new(NAME, store.clone()));
    let (door, mut guests) = Door::new();
    let store = Services { collector: Arc::new(door), ..Services::all(store) };
    let pipes = kit::Pipes::new();
    let server = snapshots::server(Arc::new(One(graph.clone())));
    let serving = pipes.serve(kit::routes(&store).add_service(server), None);
    let attending = collect::Client::new(pipes.channel());
    attending.attend(NAME, graph).await.unwrap();
    let subject = SnapshotsSubject {
        name: NAME.to_owned(),
        snapshots: Arc::new(snapshots::Client::new(pipes.channel(), NAME)),
        leases: kit::clients(&pipes.channel()).leases,
        attendee: guests.recv().await.unwrap(),
        reach: None,
        views_are_read_only: false,
    };
    (subject, (serving, attending))
}
varve_core::snapshots_contract!(graph);
varve_core::attendee_contract!(graph);

/// A root with one snapshotter, which has no trees and so unpacks nothing.
struct One(Arc<memory::Snapshots>);

#[async_trait]
impl Snapshotters for One {
    async fn open(&self, name: &str) -> Result<Snapshotter> {
        assert_eq!(name, NAME);
        Ok(Snapshotter {
            name: name.to_owned(),
            dir: PathBuf::new(),
            copies: false,
            snapshots: self.0.clone(),
            unpacker: Arc::new(NoTrees),
            diff: Arc::new(NoTrees),
            changes: Arc::new(NoTrees),
            trees: Arc::new(NoTrees),
        })
    }

    async fn drivers(&self) -> Result<Drivers> {
        let (name, dir) = (NAME.to_owned(), PathBuf::new());
        let driver = Driver { name: name.clone(), dir, copies: false, used: true };
        Ok(Drivers { default: name, drivers: vec![driver] })
    }
}

struct NoTrees;

fn no_trees<T>() -> Result<T> {
    Err(Error::new(Kind::Unimplemented, "a graph in memory has no trees"))
}

#[async_trait]
impl Unpacker for NoTrees {
    async fn unpack(&self, _: &Scope, _: Layer, _: Progress) -> Result<Unpacked> {
        no_trees()
    }
}

#[async_trait]
impl Diff for NoTrees {
    async fn apply(&self, _: &Scope, _: &Descriptor, _: &[Mount]) -> Result<Descriptor> {
        no_trees()
    }

    async fn diff(&self, _: &Scope, _: &[Mount], _: &[Mount], _: NewLayer) -> Result<Descriptor> {
        no_trees()
    }
}

#[async_trait]
impl Changes for NoTrees {
    async fn changes(&self, _: &Scope, _: &str) -> Result<Box<dyn Listing>> {
        no_trees()
    }
}

#[async_trait]
impl Trees for NoTrees {
    async fn examine(&self, _: bool) -> Result<Vec<Finding>> {
        no_trees()
    }

    async fn compare(&self, _: &Scope, _: Layer, _: bool, _: Progress) -> Result<Compared> {
        no_trees()
    }
}
