//! What the tests of this crate share: snapshotters on a content store in memory, layers made on
//! the spot, and trees as lists.
#![allow(dead_code, reason = "no test file uses all of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

pub mod changes;
pub mod layer;
pub mod odd;
pub mod tree;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::snapshots::NewSnapshot;
use varve_core::testsuite::memory::Store;
use varve_core::unpack::{Layer, Progress, Unpacked};
use varve_core::{ChainId, Descriptor, DiffId, Digest, Mount, Result, Scope};
use varve_snapshotter::{Config, Dependencies, Service, open_by_name};

/// A snapshotter with its neighbours, in a directory of its own.
pub struct Room {
    pub service: Service,
    pub store: Arc<Store>,
    pub scope: Scope,
    pub temp: TempDir,
}

/// Whether overlayfs can be tested here; says so where not.
pub fn overlay_works(dir: &Path) -> bool {
    let works = varve_snapshotter::default_driver(dir) == "overlayfs";
    if !works {
        varve_core::testsuite::skipped("overlayfs cannot be mounted here (it needs root)");
    }
    works
}

/// A room with the driver `name`; `None`, loudly, where it cannot work.
pub async fn room(name: &str) -> Option<Room> {
    let temp = tempfile::tempdir().unwrap();
    if name == "overlayfs" && !overlay_works(&temp.path().join("root")) {
        return None;
    }
    let store = Arc::new(Store::new());
    let service = open(name, temp.path(), &store, |_| {}).await;
    Some(Room { service, store, scope: Scope::default(), temp })
}

/// Opens (again) the snapshotter below `temp`.
pub async fn open(
    name: &str,
    temp: &Path,
    store: &Arc<Store>,
    change: impl FnOnce(&mut Config),
) -> Service {
    let mut config = Config::new(temp.join("root"));
    config.parent_patience = Duration::from_secs(5);
    change(&mut config);
    let neighbours = Dependencies { content: store.clone(), leases: store.clone() };
    open_by_name(name, config, neighbours).await.unwrap()
}

impl Room {
    /// Puts a blob into the content store.
    pub async fn put(&self, bytes: &[u8]) -> Digest {
        put(&self.store, &self.scope, bytes).await
    }

    /// The layer of an archive, its blob not stored yet.
    pub fn describe(&self, tar: &[u8], parent: Option<ChainId>) -> Layer {
        describe(tar, parent)
    }

    /// Unpacks archives in order, and answers their chain ids.
    pub async fn stack(&self, tars: &[Vec<u8>]) -> Result<Vec<ChainId>> {
        let mut chain = Vec::<ChainId>::new();
        for tar in tars {
            self.put(tar).await;
            let layer = describe(tar, chain.last().copied());
            chain.push(self.unpack(layer).await?.chain_id);
        }
        Ok(chain)
    }

    /// Unpacks archives all at once.
    pub async fn stack_at_once(&self, tars: &[Vec<u8>]) -> Result<Vec<ChainId>> {
        let mut layers = Vec::<Layer>::new();
        for tar in tars {
            self.put(tar).await;
            layers.push(describe(tar, layers.last().map(Layer::chain_id)));
        }
        let chain = layers.iter().map(Layer::chain_id).collect();
        let tasks: Vec<_> = layers.into_iter().rev().map(|layer| self.spawn(layer)).collect();
        for task in tasks {
            task.await.unwrap()?;
        }
        Ok(chain)
    }

    pub fn spawn(&self, layer: Layer) -> tokio::task::JoinHandle<Result<Unpacked>> {
        let (service, scope) = (self.service.clone(), self.scope.clone());
        tokio::spawn(
            async move { service.unpacker.unpack(&scope, layer, Progress::ignored()).await },
        )
    }

    pub async fn unpack(&self, layer: Layer) -> Result<Unpacked> {
        self.service.unpacker.unpack(&self.scope, layer, Progress::ignored()).await
    }

    /// A view of a chain id.
    pub async fn view(&self, key: &str, chain: ChainId) -> Vec<Mount> {
        let parent = Some(chain.to_string());
        let new = NewSnapshot { key: key.into(), parent, ..NewSnapshot::default() };
        self.service.snapshots.view(&self.scope, new).await.unwrap()
    }

    /// An active snapshot on a chain id.
    pub async fn prepare(&self, key: &str, chain: Option<ChainId>) -> Vec<Mount> {
        let parent = chain.map(|chain| chain.to_string());
        let new = NewSnapshot { key: key.into(), parent, ..NewSnapshot::default() };
        self.service.snapshots.prepare(&self.scope, new).await.unwrap()
    }

    /// The bytes of a blob.
    pub async fn bytes(&self, digest: &Digest) -> Bytes {
        let reader = self.store.reader(&self.scope, digest).await.unwrap();
        reader.read_all(1 << 30).await.unwrap()
    }

    /// The tree of a chain id, as a list.
    pub async fn tree(&self, chain: ChainId) -> Vec<String> {
        let key = format!("tree-{chain}");
        let mounts = self.view(&key, chain).await;
        let list = seen(&mounts, tree::list);
        self.service.snapshots.remove(&self.scope, &key).await.unwrap();
        list
    }

    /// The names in a directory of the root.
    pub fn names(&self, dir: &str) -> Vec<String> {
        let path = self.temp.path().join("root").join(dir);
        let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Waits until `staged/` and `trash/` are empty, as long as they become so.
    pub async fn tidy(&self) {
        let (mut least, mut idle) = (usize::MAX, 0);
        while idle < 500 {
            let left = self.names("staged").len() + self.names("trash").len();
            if left == 0 {
                return;
            }
            idle = if left < least { 0 } else { idle + 1 };
            least = least.min(left);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("left over: {:?} {:?}", self.names("staged"), self.names("trash"));
    }
}

pub async fn put(store: &Store, scope: &Scope, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    let open = OpenWriter { ingest: digest.to_string(), total: 0, expected: Some(digest) };
    let Ok(mut writer) = store.writer(scope, open).await else { return digest };
    // Where another namespace has it, there is nothing left to write.
    let rest = &bytes[writer.status().offset as usize..];
    writer.write(Bytes::copy_from_slice(rest)).await.unwrap();
    writer.commit(Commit::default()).await.unwrap()
}

pub fn describe(tar: &[u8], parent: Option<ChainId>) -> Layer {
    let digest = Digest::of(tar);
    let kind = "application/vnd.oci.image.layer.v1.tar";
    let blob = Descriptor::new(kind.into(), digest, tar.len() as u64);
    Layer { blob, diff_id: DiffId(digest), parent }
}

/// Calls `look` with a directory that shows `mounts`: a bind's source, or an overlay mounted.
pub fn seen<T>(mounts: &[Mount], look: impl FnOnce(&Path) -> T) -> T {
    match mounts {
        [bind] if bind.kind == "bind" => look(Path::new(&bind.source)),
        mounts => mounted(mounts, look),
    }
}

/// Calls `look` with a directory where `mounts` are mounted.
pub fn mounted<T>(mounts: &[Mount], look: impl FnOnce(&Path) -> T) -> T {
    struct Unmount<'a>(&'a Path);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            varve_snapshotter::mounting::unmount(self.0).unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    varve_snapshotter::mounting::mount(mounts, dir.path()).unwrap();
    let _guard = Unmount(dir.path());
    look(dir.path())
}
