//! What no command of ours leaves and other clients do, by the wire: containers, leases, garbage.

#![allow(dead_code, reason = "each scenario takes what it needs")]

use tokio::runtime::Runtime;
use varve_core::containers::{Container, Containers, Runtime as RunBy};
use varve_core::content::Content as _;
use varve_core::images::Images;
use varve_core::leases::{Leases, Resource};
use varve_core::snapshots::{NewSnapshot, Snapshots};
use varve_core::{Labels, Scope};
use varve_rpc::channel::channel;
use varve_rpc::{containers, content, images, leases, snapshots};
use varve_tests::cluster::{SERVICES, Topology};
use varve_tests::command::{Varve, binary};
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;

/// A layer with one file of this name.
pub fn layer(name: &str) -> Vec<u8> {
    Layer::new().file(name, 0o644, name.repeat(5_000).as_bytes()).finish()
}

/// A store that can be spoken to beside the command.
pub struct Wire {
    pub varve: Varve,
    runtime: Runtime,
    containers: containers::Client,
    content: content::Client,
    images: images::Client,
    leases: leases::Client,
    snapshots: snapshots::Client,
}

impl Wire {
    /// In four processes where they are asked for, else with a daemon: nobody listens embedded.
    pub fn new() -> Self {
        let topology = match Topology::from_env().unwrap() {
            Topology::Embedded => Topology::Daemon,
            other => other,
        };
        let mut varve = Varve::over(topology, binary().unwrap()).unwrap();
        let sockets = match topology {
            Topology::Split => [SERVICES[0], SERVICES[1]].map(|name| varve.cluster().socket(name)),
            _ => [(); 2].map(|()| format!("unix://{}/varve.sock", varve.root().display())),
        };
        let runtime = Runtime::new().unwrap();
        let entered = runtime.enter();
        let [store, snapshotter] = sockets.map(|socket| channel(&socket.parse().unwrap()));
        drop(entered);
        Self {
            containers: containers::Client::new(store.clone()),
            content: content::Client::new(store.clone()),
            images: images::Client::new(store.clone()),
            leases: leases::Client::new(store),
            snapshots: snapshots::Client::new(snapshotter, "native"),
            varve,
            runtime,
        }
    }

    /// Pulls `a:1`, an image of one layer, unpacked to the native snapshotter.
    pub fn pull(&self) -> (Fake, String) {
        let registry = Fake::start().unwrap();
        let mut content = Content::default();
        let platform = platform("linux", "amd64", "");
        content.image(Family::Oci, Packing::Gzip, &platform, &[layer("a")]);
        registry.push("a", "1", &content);
        let name = format!("{}/a:1", registry.address());
        self.varve.run(&["pull", "-q", "--snapshotter", "native", &name]).unwrap();
        (registry, name)
    }

    /// The container `box` of the image `name`, with a snapshot `box` of its own.
    pub fn contain(&self, name: &str) {
        let now = varve_core::time::now();
        let container = Container {
            id: "box".into(),
            labels: Labels::new(),
            image: name.into(),
            runtime: RunBy::default(),
            spec: None,
            snapshotter: "native".into(),
            snapshot_key: "box".into(),
            created_at: now,
            updated_at: now,
            extensions: [].into(),
        };
        let scope = Scope::default();
        self.runtime.block_on(async {
            let all = self.snapshots.list(&scope, &[]).await.unwrap();
            let parent = Some(all[0].name.clone());
            let new = NewSnapshot { key: "box".into(), parent, ..NewSnapshot::default() };
            self.snapshots.prepare(&scope, new).await.unwrap();
            self.containers.create(&scope, &container).await.unwrap();
        });
    }

    /// The lease `id` on a blob.
    pub fn lease(&self, id: &str, labels: &[(&str, &str)], digest: &str) {
        let labels = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let held = Resource::content(&digest.parse().unwrap());
        let scope = Scope::default();
        self.runtime.block_on(async {
            self.leases.create(&scope, id, &labels).await.unwrap();
            self.leases.add_resource(&scope, id, &held).await.unwrap();
        });
    }

    /// Takes the image's name as containerd does, so that what it kept is garbage until a collection.
    pub fn delete(&self, name: &str) {
        self.runtime.block_on(self.images.delete(&Scope::default(), name)).unwrap();
    }

    /// Takes a blob away, whatever refers to it.
    pub fn delete_blob(&self, digest: &str) {
        let digest = digest.parse().unwrap();
        self.runtime.block_on(self.content.delete(&Scope::default(), &digest)).unwrap();
    }

    /// Takes a snapshot away.
    pub fn remove_snapshot(&self, key: &str) {
        self.runtime.block_on(self.snapshots.remove(&Scope::default(), key)).unwrap();
    }
}
