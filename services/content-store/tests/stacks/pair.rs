//! The store with its snapshotters, and what they should be.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use varve_content_store::ContentStore;
use varve_core::collect::{Collected, Collector};
use varve_core::containers::{Container, Containers, Runtime};
use varve_core::content::Content;
use varve_core::images::{Image, Images};
use varve_core::leases::Leases;
use varve_core::snapshots::{NewSnapshot, Snapshots};
use varve_core::testsuite::memory;
use varve_core::{Descriptor, Digest, Mask, MediaType, ResultExt};

use super::guest::Guest;
use super::kit;
use super::model::{BLOBS, DRIVERS, Driver, End, Lease, Own, SPACES, Snap, Space, Step, Thing};
use super::words::{bytes, digest, labels, named, resource, scope, terms};

pub struct Pair {
    dir: tempfile::TempDir,
    store: Option<Arc<ContentStore>>,
    guests: Vec<Arc<Guest>>,
    spaces: Vec<Space>,
    drivers: Vec<Driver>,
}

impl Pair {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Some(kit::store(dir.path()).await);
        let guest = |name: &str| {
            // Made under no lease: it is the store's that hold them.
            let snapshots = memory::Snapshots::new(name, Arc::new(memory::Store::new()));
            Arc::new(Guest { snapshots, silent: AtomicBool::new(false) })
        };
        let guests = DRIVERS.map(guest).to_vec();
        let drivers = vec![Driver::Unknown; DRIVERS.len()];
        Self { dir, store, guests, spaces: vec![Space::default(); SPACES], drivers }
    }

    fn store(&self) -> &Arc<ContentStore> {
        self.store.as_ref().unwrap()
    }

    pub async fn take(&mut self, at: usize, step: Step) {
        match step {
            Step::Put { blob, own } => self.put(at, blob, own).await,
            Step::Stack { driver, key, parent, own, open } => {
                self.stack(at, driver, key, parent, own, open).await;
            }
            Step::Drop(Thing::Blob(blob)) => {
                let done = Content::delete(&**self.store(), &scope(at), &digest(blob)).await;
                let was = self.spaces[at].blobs.remove(&blob);
                assert_eq!(done.found().unwrap().is_some(), was.is_some());
            }
            Step::Drop(Thing::Snap(driver, key)) => self.drop_snap(at, driver, key).await,
            Step::Name { name, blob, own } => self.name(at, name, blob, own).await,
            Step::Unname(name) => {
                let done = Images::delete(&**self.store(), &scope(at), &named("image", name)).await;
                let was = self.spaces[at].images.remove(&name);
                assert_eq!(done.found().unwrap().is_some(), was.is_some());
            }
            Step::Contain { id, driver, key, own } => self.contain(at, id, driver, key, own).await,
            Step::Discard(id) => {
                let id_there = named("container", id);
                let done = Containers::delete(&**self.store(), &scope(at), &id_there).await;
                let was = self.spaces[at].containers.remove(&id);
                assert_eq!(done.found().unwrap().is_some(), was.is_some());
            }
            Step::Attend(driver) => self.attend(driver).await,
            Step::Silent { driver, silent } => {
                self.guests[driver].silent.store(silent, Ordering::Relaxed);
            }
            Step::Collect => self.collect().await,
            Step::Reopen => self.reopen().await,
            step => self.lease(at, step).await,
        }
    }

    async fn put(&mut self, at: usize, blob: u8, own: Own) {
        kit::put(self.store(), &scope(at), &bytes(blob), &[]).await;
        let (scope, digest, labels, mask) = (scope(at), digest(blob), labels(&own), Mask::all());
        Content::update(&**self.store(), &scope, &digest, &labels, &mask).await.unwrap();
        self.spaces[at].blobs.insert(blob, own);
    }

    async fn stack(
        &mut self,
        at: usize,
        driver: usize,
        key: u8,
        parent: Option<u8>,
        own: Own,
        open: bool,
    ) {
        let (snapshots, scope) = (&self.guests[driver].snapshots, scope(at));
        let space = &mut self.spaces[at];
        if let Some(snap) = space.snaps.get_mut(&(driver, key)) {
            let (name, labels) = (named("snap", key), labels(&own));
            snapshots.update(&scope, &name, &labels, &Mask::all()).await.unwrap();
            snap.own = own;
            return;
        }
        // On what is no committed snapshot nothing is stacked.
        let parent = parent.filter(|parent| {
            space.snaps.get(&(driver, *parent)).is_some_and(|snap| snap.committed)
        });
        let first = if open { named("snap", key) } else { "being made".into() };
        let below = parent.map(|parent| named("snap", parent));
        let new = NewSnapshot { key: first.clone(), parent: below, labels: labels(&own) };
        snapshots.prepare(&scope, new).await.unwrap();
        if !open {
            let name = named("snap", key);
            snapshots.commit(&scope, &name, &first, &labels(&own)).await.unwrap();
        }
        space.snaps.insert((driver, key), Snap { own, parent, committed: !open });
    }

    async fn drop_snap(&mut self, at: usize, driver: usize, key: u8) {
        let snapshots = &self.guests[driver].snapshots;
        let done = Snapshots::remove(snapshots, &scope(at), &named("snap", key)).await;
        let space = &mut self.spaces[at];
        let able = !space.has_child(driver, key) && space.snaps.remove(&(driver, key)).is_some();
        assert_eq!(done.is_ok(), able);
    }

    async fn name(&mut self, at: usize, name: u8, blob: u8, own: Own) {
        let kind = MediaType::Other("application/x-test".into());
        let target = Descriptor::new(kind, digest(blob), bytes(blob).len() as u64);
        let image = Image { labels: labels(&own), ..Image::new(named("image", name), target) };
        let made = Images::create(&**self.store(), &scope(at), &image).await;
        if made.unless_exists().unwrap().is_none() {
            Images::update(&**self.store(), &scope(at), &image, &Mask::all()).await.unwrap();
        }
        self.spaces[at].images.insert(name, (blob, own));
    }

    async fn contain(&mut self, at: usize, id: u8, driver: usize, key: u8, own: Own) {
        let now = varve_core::time::now();
        let container = Container {
            id: named("container", id),
            labels: labels(&own),
            image: String::new(),
            runtime: Runtime::default(),
            spec: None,
            snapshotter: DRIVERS[driver].into(),
            snapshot_key: named("snap", key),
            created_at: now,
            updated_at: now,
            extensions: Default::default(),
        };
        let made = Containers::create(&**self.store(), &scope(at), &container).await;
        if made.unless_exists().unwrap().is_some() {
            self.spaces[at].containers.insert(id, (Thing::Snap(driver, key), own));
        }
    }

    async fn lease(&mut self, at: usize, step: Step) {
        let (store, scope) = (Arc::clone(self.store()), scope(at));
        let leases = &mut self.spaces[at].leases;
        match step {
            Step::Lease { id, flat, end } => {
                let (name, terms) = (named("lease", id), terms(flat, end));
                let made = Leases::create(&*store, &scope, &name, &terms).await;
                if made.unless_exists().unwrap().is_some() {
                    leases.insert(id, Lease { flat, end, holds: BTreeSet::new() });
                }
            }
            Step::Hold { id, thing } => {
                let done = store.add_resource(&scope, &named("lease", id), &resource(thing)).await;
                let held = leases.get_mut(&id).map(|lease| lease.holds.insert(thing));
                assert_eq!(done.found().unwrap().is_some(), held.is_some());
            }
            Step::Release { id, thing } => {
                let lease = named("lease", id);
                let done = store.delete_resource(&scope, &lease, &resource(thing)).await;
                let held = leases.get_mut(&id).map(|lease| lease.holds.remove(&thing));
                assert_eq!(done.found().unwrap().is_some(), held.is_some());
            }
            Step::Free(id) => {
                let done = Leases::delete(&*store, &scope, &named("lease", id)).await;
                assert_eq!(done.found().unwrap().is_some(), leases.remove(&id).is_some());
            }
            other => panic!("{other:?} is no step of a lease"),
        }
    }

    async fn attend(&mut self, driver: usize) {
        let guest: Arc<Guest> = Arc::clone(&self.guests[driver]);
        self.store().attend(DRIVERS[driver], guest).await.unwrap();
        self.drivers[driver] = Driver::Attends;
    }

    /// Every driver is here, and answers.
    pub async fn gather(&mut self) {
        for driver in 0..DRIVERS.len() {
            self.guests[driver].silent.store(false, Ordering::Relaxed);
            self.attend(driver).await;
        }
    }

    pub async fn collect(&mut self) {
        let told = self.store().collect(true).await.unwrap();
        let done = self.store().collect(false).await.unwrap();
        assert_eq!(told, Collected { bytes: told.bytes, ..done });
        let silent = |driver: usize| self.guests[driver].silent.load(Ordering::Relaxed);
        let state = |driver: usize| (&self.drivers[driver], silent(driver));
        let all = 0..DRIVERS.len();
        let here: Vec<bool> = all.clone().map(|n| state(n) == (&Driver::Attends, false)).collect();
        // While nobody knows what one refers to, neither blobs nor snapshots go.
        let unknown = all.clone().any(|n| {
            let (state, silent) = state(n);
            *state == Driver::Lost || (*state == Driver::Attends && silent)
        });
        for at in 0..SPACES {
            let away = self.drivers.iter().filter_map(|driver| match driver {
                Driver::Away(to) => Some(to[at].clone()),
                _ => None,
            });
            let marked = self.spaces[at].marked(&here, away.flatten().collect());
            if !unknown {
                self.spaces[at].sweep(&here, &marked);
            }
            self.spaces[at].leases.retain(|_, lease| lease.end != End::Past);
        }
    }

    async fn reopen(&mut self) {
        let store = self.store.take().unwrap();
        store.close().await.unwrap();
        drop(store);
        self.store = Some(kit::store(self.dir.path()).await);
        for driver in 0..DRIVERS.len() {
            if self.drivers[driver] == Driver::Attends {
                let silent = self.guests[driver].silent.load(Ordering::Relaxed);
                let out = self.spaces.iter().map(|space| space.out_of(driver)).collect();
                self.drivers[driver] = if silent { Driver::Lost } else { Driver::Away(out) };
            }
        }
    }

    pub async fn check(&self) {
        kit::recounted(self.store()).await;
        for (at, space) in self.spaces.iter().enumerate() {
            let list = Content::list(&**self.store(), &scope(at), &[]).await.unwrap();
            let here: BTreeSet<Digest> = list.iter().map(|info| info.digest).collect();
            let want: BTreeSet<Digest> = space.blobs.keys().map(|blob| digest(*blob)).collect();
            assert_eq!(here, want, "blobs of namespace {at}");
            for blob in 0..BLOBS {
                let count = self.store().references(&scope(at), &digest(blob)).await.unwrap();
                assert_eq!(count, space.references(blob), "references to blob {blob}");
            }
            for (driver, guest) in self.guests.iter().enumerate() {
                let list = guest.snapshots.list(&scope(at), &[]).await.unwrap();
                let here: Vec<_> = list.into_iter().map(|info| info.name).collect();
                let own = space.snaps.keys().filter(|(of, _)| *of == driver);
                let want: Vec<_> = own.map(|(_, key)| named("snap", *key)).collect();
                assert_eq!(here, want, "snapshots of {} in namespace {at}", DRIVERS[driver]);
            }
            let leases = Leases::list(&**self.store(), &scope(at), &[]).await.unwrap();
            assert_eq!(leases.len(), space.leases.len());
        }
    }
}
