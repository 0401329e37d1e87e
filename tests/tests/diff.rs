//! Layers made of snapshots, of an image with every odd construct: over the wire by a daemon and by split
//! services, and by the command over each topology. What is made of them is the tree that they were made
//! of, for Varve and for umoci.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use varve_core::content::Content as _;
use varve_core::diff::{Diff, NewLayer};
use varve_core::snapshots::{NewSnapshot, Snapshots};
use varve_core::{Mount, Scope, labels};
use varve_rpc::channel::channel;
use varve_rpc::{content, diff, snapshots};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};
use varve_tests::compare::{umoci_tree_since, varve_tree_since};
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing};
use varve_tests::odd;
use varve_tests::peers::{have, need_root, run};
use varve_tests::registry::Registry;
use varve_tests::tree::{Listing, differences, list};

/// Shows `mounts` as containerd's clients do, by mount(8).
fn mounted<T>(mounts: &[Mount], look: impl FnOnce(&Path) -> T) -> T {
    let [mount] = mounts else { panic!("one mount, not {mounts:?}") };
    if mount.kind == "bind" {
        return look(Path::new(&mount.source));
    }
    let target = tempfile::tempdir().unwrap();
    let at = target.path().to_str().unwrap();
    run("mount", &["-t", &mount.kind, &mount.source, at, "-o", &mount.options.join(",")]).unwrap();
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(target.path())));
    run("umount", &[at]).unwrap();
    seen.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

fn exactly(root: &Path) -> Listing {
    let never = SystemTime::now() + Duration::from_secs(1 << 30);
    list(root, never).unwrap()
}

#[track_caller]
fn same(made: &Listing, want: &Listing) {
    let lines = differences(made, want);
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), lines.join("\n"));
    assert!(made.len() > 60, "a tree of {} entries is not the one that was made", made.len());
}

fn image(layers: &[Vec<u8>], packing: Packing) -> Content {
    let mut content = Content::default();
    content.image(Family::Oci, packing, &varve_core::Platform::host(), layers);
    content
}

/// Every entry goes away, is made anew, or is moved; what is left has a new owner.
fn change(root: &Path) {
    let script = "
        rm -rf opaque hidden/a dir-becomes-link links-c
        mkdir -m 2700 opaque && echo new > opaque/new
        cp -a usr/bin/ping usr/bin/ping-too && chmod 4711 usr/bin/su
        ln usr/bin/ping ping-by-name && ln usr/bin/true true-too && ln -s usr/bin/true home/to-true
        cp -a home/far home/far-too && chown 17:18 tmp home/file
        mv etc/noted moved && echo more >> etc/passwd
        mkfifo -m 600 fifo-too && mknod -m 640 loop b 7 1
    ";
    let status = Command::new("sh").args(["-ec", script]).current_dir(root).status();
    assert!(status.unwrap().success());
}

/// Where the services of one root answer.
struct Wire {
    snapshots: snapshots::Client,
    diff: diff::Client,
    content: content::Client,
    scope: Scope,
}

impl Wire {
    fn to(varve: &mut Varve, topology: Topology, driver: &str) -> Self {
        let daemon = format!("unix://{}/varve.sock", varve.root().display());
        let mut reach = |service| match topology {
            Topology::Split => channel(&varve.cluster().socket(service).parse().unwrap()),
            _ => channel(&daemon.parse().unwrap()),
        };
        Self {
            snapshots: snapshots::Client::new(reach("snapshotter"), driver),
            diff: diff::Client::new(reach("snapshotter")),
            content: content::Client::new(reach("content-store")),
            scope: Scope::default(),
        }
    }

    /// The key of the snapshot that nothing stands on.
    async fn top(&self) -> String {
        let all = self.snapshots.list(&self.scope, &[]).await.unwrap();
        let is_top = |name: &str| !all.iter().any(|other| other.parent.as_deref() == Some(name));
        all.iter().find(|info| is_top(&info.name)).unwrap().name.clone()
    }

    async fn make(&self, key: &str, parent: &str, view: bool) -> Vec<Mount> {
        let (key, parent) = (key.to_owned(), Some(parent.to_owned()));
        let new = NewSnapshot { key, parent, ..NewSnapshot::default() };
        match view {
            true => self.snapshots.view(&self.scope, new).await.unwrap(),
            false => self.snapshots.prepare(&self.scope, new).await.unwrap(),
        }
    }

    async fn bytes(&self, digest: &varve_core::Digest) -> Vec<u8> {
        let reader = self.content.reader(&self.scope, digest).await.unwrap();
        reader.read_all(1 << 30).await.unwrap().to_vec()
    }
}

/// A tree changed in every way, its layer in each compression, and what comes of it.
async fn compare(wire: &Wire, begun: SystemTime) {
    let (scope, top) = (&wire.scope, wire.top().await);
    let lower = wire.make("lower", &top, true).await;
    let upper = wire.make("upper", &top, false).await;
    mounted(&upper, change);
    let mut diff_ids = Vec::new();
    for (compression, magic) in
        [("", &b""[..]), ("+gzip", b"\x1f\x8b"), ("+zstd", b"\x28\xb5\x2f\xfd")]
    {
        let layer = NewLayer {
            media_type: format!("application/vnd.oci.image.layer.v1.tar{compression}").into(),
            ingest: format!("a-layer{compression}"),
            labels: [("note".to_owned(), format!("tar{compression}"))].into(),
            ..NewLayer::default()
        };
        let blob = wire.diff.diff(scope, &lower, &upper, layer.clone()).await.unwrap();
        let again = NewLayer { ingest: String::new(), ..layer.clone() };
        assert_eq!(wire.diff.diff(scope, &lower, &upper, again).await.unwrap(), blob);
        let info = wire.content.info(scope, &blob.digest).await.unwrap();
        assert_eq!((&blob.media_type, blob.size), (&layer.media_type, info.size));
        assert_eq!(info.labels["note"], format!("tar{compression}"));
        assert!(wire.bytes(&blob.digest).await.starts_with(magic));
        diff_ids.push(info.labels[labels::UNCOMPRESSED].clone());
        let key = format!("again{compression}");
        let mounts = wire.make(&key, &top, false).await;
        let tar = wire.diff.apply(scope, &blob, &mounts).await.unwrap();
        assert_eq!(tar.digest.to_string(), *diff_ids.last().unwrap());
        same(&mounted(&mounts, exactly), &mounted(&upper, exactly));
    }
    diff_ids.dedup();
    assert_eq!(diff_ids.len(), 1, "each is the same archive");
    let host = [Mount::bind("/", "ro")];
    let refused = wire.diff.diff(scope, &host, &upper, NewLayer::default()).await.unwrap_err();
    assert_eq!(refused.kind(), varve_core::Kind::InvalidArgument);
    if have(&["docker-registry", "skopeo", "umoci"], "a layer of Varve's unpacked by umoci") {
        let tar = wire.bytes(&diff_ids[0].parse().unwrap()).await;
        let ours = mounted(&upper, |root| list(root, begun).unwrap());
        same(&by_umoci(&[odd::layers(), vec![tar]].concat(), begun), &ours);
    }
}

/// What umoci makes of an image of these layers.
fn by_umoci(layers: &[Vec<u8>], begun: SystemTime) -> Listing {
    let registry = Registry::start().unwrap();
    registry.push("changed", "1", &image(layers, Packing::Gzip)).unwrap();
    umoci_tree_since(registry.address(), "changed:1", begun).unwrap()
}

fn over_the_wire(topology: Topology, driver: &str, test: &str) {
    if !need_root(test) {
        return;
    }
    let (registry, begun) = (Fake::start().unwrap(), SystemTime::now());
    registry.push("odd", "1", &image(&odd::layers(), Packing::Gzip));
    let mut varve = Varve::over(topology, binary().unwrap()).unwrap();
    let image = format!("{}/odd:1", registry.address());
    varve.run(&["pull", "--quiet", "--plain-http", "--snapshotter", driver, &image]).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let wire = Wire::to(&mut varve, topology, driver);
        compare(&wire, begun).await;
    });
}

/// The snapshots of a driver's only image, lowest first.
fn stack(varve: &Varve, driver: &str) -> Vec<String> {
    let rows = varve.json(&["snapshots", "--snapshotter", driver, "ls"]).unwrap();
    let rows = rows.as_array().unwrap();
    let on = |parent: Option<&str>| {
        let row = rows.iter().find(|row| row["parent"].as_str() == parent)?;
        Some(row["name"].as_str().unwrap().to_owned())
    };
    std::iter::successors(on(None), |below| on(Some(below))).collect()
}

fn layer(varve: &Varve, driver: &str, key: &str) -> Vec<u8> {
    let plain = "application/vnd.oci.image.layer.v1.tar";
    let args = ["snapshots", "--snapshotter", driver, "layer", "--media-type", plain, key];
    let output = varve.output(&args).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An image of the layers that another's snapshots make has the other's tree.
fn by_command(topology: Topology, driver: &str, test: &str) {
    if !need_root(test) {
        return;
    }
    let (registry, begun) = (Fake::start().unwrap(), SystemTime::now());
    registry.push("odd", "1", &image(&odd::layers(), Packing::Gzip));
    let varve = Varve::over(topology, binary().unwrap()).unwrap();
    let tree = |name| {
        let image = format!("{}/{name}:1", registry.address());
        varve_tree_since(&varve, &image, driver, begun).unwrap()
    };
    let want = tree("odd");
    let stack = stack(&varve, driver);
    assert_eq!(stack.len(), odd::layers().len());
    let layers: Vec<_> = stack.iter().map(|key| layer(&varve, driver, key)).collect();
    assert!(layers[1] == layer(&varve, driver, &stack[1]), "the same trees, the same bytes");
    assert_eq!(self::stack(&varve, driver), stack, "no view is left");
    assert_eq!(varve.json(&["leases", "ls"]).unwrap(), serde_json::json!([]));
    registry.push("again", "1", &image(&layers, Packing::Zstd));
    same(&tree("again"), &want);
    listed(&varve, driver, &stack);
}

/// Each layer's changes, as lines and as JSON.
fn listed(varve: &Varve, driver: &str, stack: &[String]) {
    let diff = |key| ["snapshots", "--snapshotter", driver, "diff", key];
    for key in stack {
        let text = varve.run(&diff(key)).unwrap();
        let rows = varve.json(&diff(key)).unwrap();
        let kinds: Vec<_> = rows.as_array().unwrap().iter().map(|row| &row["kind"]).collect();
        let letters = text.lines().map(|line| match &line[..2] {
            "A " => "added",
            "C " => "changed",
            "D " => "deleted",
            _ => panic!("{line:?} is no change"),
        });
        assert_eq!(kinds, letters.collect::<Vec<_>>());
        assert!(!kinds.is_empty(), "every layer changes something");
        assert_eq!(key == &stack[0], kinds.iter().all(|kind| *kind == "added"));
    }
    let unknown = varve.fail(&diff("nothing")).unwrap();
    assert!(unknown.contains("nothing"), "{unknown}");
}

#[test]
fn a_daemon_makes_layers_that_make_the_tree_again_on_overlayfs() {
    over_the_wire(Topology::Daemon, "overlayfs", "a layer by a daemon on overlayfs");
}

#[test]
fn a_daemon_makes_layers_that_make_the_tree_again_on_native() {
    over_the_wire(Topology::Daemon, "native", "a layer by a daemon on native");
}

#[test]
fn split_services_make_layers_that_make_the_tree_again() {
    over_the_wire(Topology::Split, "overlayfs", "a layer by split services");
}

#[test]
fn an_image_is_made_again_of_its_snapshots_by_the_command_alone() {
    by_command(Topology::Embedded, "overlayfs", "an image made again on overlayfs");
    by_command(Topology::Embedded, "native", "an image made again on native");
}

#[test]
fn an_image_is_made_again_of_its_snapshots_by_a_daemon() {
    by_command(Topology::Daemon, "overlayfs", "an image made again by a daemon");
}

#[test]
fn an_image_is_made_again_of_its_snapshots_by_split_services() {
    by_command(Topology::Split, "overlayfs", "an image made again by split services");
}
