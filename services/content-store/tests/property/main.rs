//! Random histories against a model: the counts agree at every step, nothing that can be reached
//! is ever removed, and after a collection only that is left.

#![allow(clippy::unwrap_used, reason = "of tests")]

#[path = "../kit/mod.rs"]
mod kit;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use varve_content_store::{Config, ContentStore, open};
use varve_core::collect::Collector;
use varve_core::content::{Content, OpenWriter};
use varve_core::images::{Images, Record};
use varve_core::leases::{Leases, Resource};
use varve_core::{Descriptor, Digest, Labels, Mask, MediaType, ResultExt};

use model::{
    BLOBS, Lease, SPACES, Space, Step, bytes, digest, edge, edge_labels, edge_map, lease, scope,
    step,
};

/// The store and what it should be.
struct Pair {
    dir: tempfile::TempDir,
    store: Option<Arc<ContentStore>>,
    model: Vec<Space>,
}

impl Pair {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Some(open(config(&dir)).await.unwrap());
        Self { dir, store, model: vec![Space::default(); usize::from(SPACES)] }
    }

    fn store(&self) -> &Arc<ContentStore> {
        self.store.as_ref().unwrap()
    }

    async fn take(&mut self, at: u8, step: Step) {
        match step {
            Step::Put { blob, edges, lease } => self.put(at, blob, &edges, lease).await,
            Step::Relabel { blob, edges, root } => self.relabel(at, blob, &edges, root).await,
            Step::Delete { blob } => {
                let done = Content::delete(&**self.store(), &scope(at), &digest(blob)).await;
                let was = self.space(at).blobs.remove(&blob).is_some();
                assert_eq!(done.found().unwrap().is_some(), was);
            }
            Step::Point { name, blob, merged } => self.point(at, name, blob, merged).await,
            Step::Unname { name } => {
                let name = format!("image-{name}");
                let done = Images::delete(&**self.store(), &scope(at), &name).await;
                let was = self.space(at).images.remove(&name).is_some();
                assert_eq!(done.found().unwrap().is_some(), was);
            }
            Step::Half { blob } => self.half(at, blob).await,
            Step::Collect => self.collect().await,
            Step::Below { blob } => self.collect_below(at, blob).await,
            Step::Reopen => self.reopen().await,
            step => self.lease(at, step).await,
        }
    }

    fn space(&mut self, at: u8) -> &mut Space {
        &mut self.model[usize::from(at)]
    }

    async fn put(&mut self, at: u8, blob: u8, edges: &[u8], held: Option<u8>) {
        let held = held.filter(|id| self.space(at).leases.contains_key(id));
        let scope = held.map_or(scope(at), |id| scope(at).leased(lease(id)));
        let edges = edge_map(edges);
        let labels = edge_labels(&edges);
        let labels: Vec<_> = labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        kit::put(self.store(), &scope, &bytes(blob), &labels).await;
        let space = self.space(at);
        space.blobs.entry(blob).or_insert((edges, false));
        if let Some(id) = held {
            space.leases.get_mut(&id).unwrap().blobs.insert(blob);
        }
    }

    async fn relabel(&mut self, at: u8, blob: u8, edges: &[u8], root: bool) {
        let edges = edge_map(edges);
        let mut labels = edge_labels(&edges);
        if root {
            labels.insert("containerd.io/gc.root".into(), "now".into());
        }
        let (scope, digest, mask) = (scope(at), digest(blob), Mask::all());
        let done = Content::update(&**self.store(), &scope, &digest, &labels, &mask).await;
        let found = self.space(at).blobs.get_mut(&blob).map(|own| *own = (edges, root));
        assert_eq!(done.found().unwrap().is_some(), found.is_some());
    }

    async fn point(&mut self, at: u8, name: u8, blob: u8, merged: Option<u8>) {
        let kind = MediaType::Other("application/x-test".into());
        let target = Descriptor::new(kind, digest(blob), bytes(blob).len() as u64);
        let name = format!("image-{name}");
        let extra = merged.map(|to| BTreeMap::from([(edge(9), to)])).unwrap_or_default();
        let content_labels = vec![(target.digest, edge_labels(&extra))];
        let record = Record { name: name.clone(), target, content_labels };
        let done = self.store().record(&scope(at), record).await.found().unwrap();
        let space = self.space(at);
        let Some((edges, _)) = space.blobs.get_mut(&blob) else {
            assert!(done.is_none());
            return;
        };
        edges.extend(extra);
        let dangling = |blob| format!("varve.dangling@{}", digest(blob));
        let before = space.images.insert(name, blob);
        assert_eq!(done.unwrap().map(|image| image.target.digest), before.map(digest));
        if let Some(before) = before.filter(|before| !space.images.values().any(|to| to == before))
        {
            space.images.insert(dangling(before), before);
        }
        space.images.remove(&dangling(blob));
    }

    async fn lease(&mut self, at: u8, step: Step) {
        let (store, scope) = (Arc::clone(self.store()), scope(at));
        let leases = &mut self.space(at).leases;
        match step {
            Step::Lease { lease: id, flat } => {
                let flag = ("containerd.io/gc.flat".to_owned(), "1".to_owned());
                let labels: Labels = flat.then_some(flag).into_iter().collect();
                let done = Leases::create(&*store, &scope, &lease(id), &labels).await;
                assert_eq!(done.is_ok(), !leases.contains_key(&id));
                leases.entry(id).or_insert(Lease { flat, ..Lease::default() });
            }
            Step::Hold { lease: id, blob } => {
                let what = Resource::content(&digest(blob));
                let done = store.add_resource(&scope, &lease(id), &what).await.found().unwrap();
                let own = leases.get_mut(&id).map(|lease| lease.blobs.insert(blob));
                assert_eq!(done.is_some(), own.is_some());
            }
            Step::Release { lease: id, blob } => {
                let what = Resource::content(&digest(blob));
                let done = store.delete_resource(&scope, &lease(id), &what).await.found().unwrap();
                let own = leases.get_mut(&id).map(|lease| lease.blobs.remove(&blob));
                assert_eq!(done.is_some(), own.is_some());
            }
            Step::End { lease: id, expire: true } => {
                let done = store.renew(&scope, &lease(id), Duration::ZERO).await.found().unwrap();
                let own = leases.get_mut(&id).map(|lease| lease.ended = true);
                assert_eq!(done.is_some(), own.is_some());
            }
            Step::End { lease: id, .. } => {
                let done = Leases::delete(&*store, &scope, &lease(id)).await.found().unwrap();
                assert_eq!(done.is_some(), leases.remove(&id).is_some());
            }
            other => panic!("{other:?} is no step of a lease"),
        }
    }

    async fn half(&mut self, at: u8, blob: u8) {
        let open = OpenWriter { ingest: format!("half-{blob}"), ..OpenWriter::default() };
        let mut writer = self.store().writer(&scope(at), open).await.unwrap();
        writer.write(bytes(blob).into()).await.unwrap();
    }

    async fn collect_below(&mut self, at: u8, blob: u8) {
        let before = self.digests(at).await;
        let done = self.store().collect_below(&scope(at), &[digest(blob)]).await.unwrap();
        self.space(at).collect_below(blob);
        let gone: BTreeSet<_> = done.blobs.into_iter().map(|(_, digest)| digest).collect();
        let left = self.digests(at).await;
        assert_eq!(gone, before.difference(&left).copied().collect(), "told is what was done");
    }

    async fn digests(&self, at: u8) -> BTreeSet<Digest> {
        let list = Content::list(&**self.store(), &scope(at), &[]).await.unwrap();
        list.into_iter().map(|info| info.digest).collect()
    }

    async fn collect(&mut self) {
        let told = self.store().collect(true).await.unwrap();
        let done = self.store().collect(false).await.unwrap();
        assert_eq!(told, done);
        self.model.iter_mut().for_each(Space::collect);
        let ingests = std::fs::read_dir(self.dir.path().join("ingest")).unwrap().count();
        assert_eq!(ingests, 0);
    }

    async fn reopen(&mut self) {
        let store = self.store.take().unwrap();
        store.close().await.unwrap();
        drop(store);
        // What was changed entry by entry is what would be made from nothing.
        let patched = self.shown();
        std::fs::remove_file(self.dir.path().join("index.json")).unwrap();
        self.store = Some(open(config(&self.dir)).await.unwrap());
        assert_eq!(patched, self.shown());
    }

    /// The entries of `index.json`, in any order.
    fn shown(&self) -> BTreeSet<String> {
        let text = std::fs::read(self.dir.path().join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_slice(&text).unwrap();
        index["manifests"].as_array().unwrap().iter().map(ToString::to_string).collect()
    }

    async fn check(&self) {
        kit::recounted(self.store()).await;
        let mut all = BTreeSet::new();
        for (at, space) in self.model.iter().enumerate() {
            let scope = scope(at as u8);
            let list = Content::list(&**self.store(), &scope, &[]).await.unwrap();
            let here: BTreeSet<Digest> = list.iter().map(|info| info.digest).collect();
            let want: BTreeSet<Digest> = space.blobs.keys().map(|blob| digest(*blob)).collect();
            assert_eq!(here, want);
            all.extend(want);
            for blob in 0..BLOBS {
                let count = self.store().references(&scope, &digest(blob)).await.unwrap();
                assert_eq!(count, space.references(blob), "references to blob {blob}");
            }
            let images = Images::list(&**self.store(), &scope, &[]).await.unwrap();
            let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
            assert_eq!(names, space.images.keys().map(String::as_str).collect::<Vec<_>>());
        }
        let files = std::fs::read_dir(self.dir.path().join("blobs/sha256")).unwrap();
        let files: BTreeSet<Digest> =
            files.map(|file| named(&file.unwrap().file_name().to_string_lossy())).collect();
        assert_eq!(files, all, "every blob has a file, and every file a blob");
    }
}

fn named(file: &str) -> Digest {
    format!("sha256:{file}").parse().unwrap()
}

fn config(dir: &tempfile::TempDir) -> Config {
    Config { idle_ingest: Duration::ZERO, ..Config::new(dir.path()) }
}

/// How many histories; more by `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_history_leaves_what_can_be_reached_and_after_a_collection_nothing_else(
        steps in proptest::collection::vec(step(), 1..50)
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for (at, step) in steps {
                pair.take(at, step).await;
                pair.check().await;
            }
            pair.collect().await;
            pair.check().await;
        });
    }
}
