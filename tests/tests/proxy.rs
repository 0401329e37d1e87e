//! A real containerd whose snapshotter, content store, or both are Varve's: an image is pulled and its program
//! runs; Varve's own collections leave all of it alone, and what containerd removes is gone.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::fs;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use varve_tests::busybox;
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary, text};
use varve_tests::engines::Containerd;
use varve_tests::image::Content;
use varve_tests::peers::{have, need_root};
use varve_tests::registry::Registry;

/// What of it is Varve's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Snapshots,
    Content,
    Both,
}

/// containerd's collector, which waits for a while after each removal, has run by then; and it has dialled anew.
const COLLECTED: Duration = Duration::from_secs(30);
/// A name of Varve's own.
const OWN: &str = "own";

/// Varve and a containerd on it.
struct Bench {
    kinds: Kinds,
    // Before Varve: it lets go of what it has there.
    containerd: Containerd,
    varve: Varve,
    registry: Registry,
}

impl Bench {
    fn start(topology: Topology, kinds: Kinds) -> Option<Self> {
        let test = "proxy";
        let tools = ["containerd", "ctr", "runc", "docker-registry"];
        let able = need_root(test) && have(&tools, test);
        let content = busybox::plain(&able.then(|| busybox::program(test)).flatten()?);
        let registry = registry(&content);
        let mut varve = Varve::over(topology, binary().unwrap()).unwrap();
        let config = config(&mut varve, kinds);
        let containerd = Containerd::with(&config).unwrap();
        Some(Self { kinds, containerd, varve, registry })
    }

    fn image(&self) -> String {
        format!("{}/lab/box:1", self.registry.address())
    }

    /// `ctr`, which must do it.
    fn ctr(&self, words: &[&str]) -> String {
        let mut command = self.containerd.command();
        let output = command.args(words).output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success(), "ctr {words:?}: {said}\n{}", self.containerd.log());
        text(&output.stdout)
    }

    fn snapshotter(&self) -> &'static str {
        if self.kinds == Kinds::Content { "native" } else { "varve" }
    }

    /// The blobs and snapshots that Varve has for it.
    fn kept(&self) -> (usize, usize) {
        let count = |list: &str| {
            let listed = self.varve.json(&["--namespace", "containerd", list, "ls"]).unwrap();
            listed.as_array().map_or(0, Vec::len)
        };
        (count("content"), count("snapshots"))
    }

    /// Waits until containerd has found Varve again: it tries from time to time, and refuses meanwhile.
    fn reached(&self) {
        let end = Instant::now() + COLLECTED;
        let list = ["snapshots", "--snapshotter", "varve", "ls"];
        while !self.containerd.command().args(list).output().unwrap().status.success() {
            assert!(Instant::now() < end, "containerd does not find Varve again");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn pull(&self) {
        let image = self.image();
        self.ctr(&["images", "pull", "--plain-http", "--snapshotter", self.snapshotter(), &image]);
    }

    /// What a program prints in a new container. runc keeps those of every containerd in one place.
    fn says(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("proxy-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let words = ["sh", "-c", "id -un; echo new > /new; cat /new; ls /bin/busybox"];
        let run = ["run", "--rm", "--snapshotter", self.snapshotter(), &self.image(), &name];
        self.ctr(&[&run[..], &words].concat())
    }

    /// Takes the image away and has containerd collect, until Varve has nothing of it.
    fn remove(&self) {
        self.ctr(&["images", "rm", "--sync", &self.image()]);
        self.left((0, 0));
    }

    /// Waits until containerd has collected all but this.
    fn left(&self, want: (usize, usize)) {
        let end = Instant::now() + COLLECTED;
        while self.kept() != want {
            let kept = self.kept();
            assert!(Instant::now() < end, "containerd left {kept:?}\n{}", self.containerd.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn registry(content: &Content) -> Registry {
    let registry = Registry::start().unwrap();
    registry.push("lab/box", "1", content).unwrap();
    registry
}

/// deploy/containerd/config.toml, with this Varve's sockets and without what is not wanted.
fn config(varve: &mut Varve, kinds: Kinds) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/containerd/config.toml");
    let told = fs::read_to_string(file).unwrap();
    let (head, rest) = told.split_once("[proxy_plugins.varve]\n").unwrap();
    let (snapshots, content) = rest.split_once("[proxy_plugins.varve-content]\n").unwrap();
    let moved = |text: &str, to: &Path| text.replace("/run/varve/proxy.sock", to.to_str().unwrap());
    let mut config = head.to_owned();
    if kinds == Kinds::Snapshots {
        config = config.replace("\"io.containerd.content.v1.content\"", "");
    } else {
        config += "[proxy_plugins.varve-content]\n";
        config += &moved(content, &varve.cluster().proxy("content-store"));
    }
    if kinds != Kinds::Content {
        config += "[proxy_plugins.varve]\n";
        config += &moved(snapshots, &varve.cluster().proxy("snapshotter"));
    }
    config
}

/// Varve's own image, the same one: neither collector may take the other's.
fn own(bench: &Bench) {
    bench.varve.run(&["pull", "-q", &bench.image()]).unwrap();
    bench.varve.run(&["tag", &bench.image(), OWN]).unwrap();
    bench.varve.run(&["image", "rm", &bench.image()]).unwrap();
}

/// Nothing that a file system holds is left where it was not before.
fn files(varve: &Varve) -> Vec<String> {
    let below = |dir: &str| {
        let entries = fs::read_dir(varve.root().join(dir)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path().display().to_string()).collect::<Vec<_>>()
    };
    let dirs = ["content/blobs/sha256", "content/ingest", "snapshotters/overlayfs/snapshots"];
    let mut all = dirs.map(below).concat();
    all.sort();
    all
}

fn whole(topology: Topology, kinds: Kinds) {
    let Some(bench) = Bench::start(topology, kinds) else { return };
    own(&bench);
    bench.varve.run(&["gc"]).unwrap();
    let before = files(&bench.varve);
    bench.pull();
    let (blobs, snapshots) = bench.kept();
    // A manifest, a config and a layer; the layer's tree.
    assert_eq!(blobs, if kinds == Kinds::Snapshots { 0 } else { 3 });
    assert_eq!(snapshots, usize::from(kinds != Kinds::Content));

    // Nothing that Varve knows of refers to it, and Varve leaves it alone.
    let collected: Value = bench.varve.json(&["gc"]).unwrap();
    assert_eq!(bench.kept(), (blobs, snapshots), "{collected}");
    assert_eq!(bench.says(), "root\nnew\n/bin/busybox\n");
    // The container's snapshot goes with it.
    bench.left((blobs, snapshots));

    // containerd's collector leaves what is not its own alone.
    bench.remove();
    bench.varve.run(&["gc"]).unwrap();
    assert_eq!(files(&bench.varve), before);
    bench.varve.run(&["check", "--deep", OWN]).unwrap();
    let said = bench.varve.run(&["run", "--rm", OWN, "id", "-un"]).unwrap();
    assert_eq!(said, "root\n");

    // And once more from nothing.
    bench.pull();
    assert_eq!(bench.says(), "root\nnew\n/bin/busybox\n");
    bench.remove();
}

#[test]
fn a_containerd_keeps_its_snapshots_in_varve() {
    whole(Topology::Daemon, Kinds::Snapshots);
}

#[test]
fn a_containerd_keeps_its_content_in_varve() {
    whole(Topology::Daemon, Kinds::Content);
}

#[test]
fn a_containerd_keeps_both_in_a_daemon() {
    whole(Topology::Daemon, Kinds::Both);
}

#[test]
fn a_containerd_keeps_both_in_two_services() {
    whole(Topology::Split, Kinds::Both);
}

/// What is kept is said in the records: a process without the socket collects nothing of it either.
#[test]
fn a_root_that_is_opened_without_the_socket_still_keeps_it() {
    let Some(mut bench) = Bench::start(Topology::Daemon, Kinds::Both) else { return };
    bench.pull();
    let kept = bench.kept();
    assert!(kept.0 > 0 && kept.1 > 0);
    bench.varve.cluster().processes()[0].stop();
    // The command opens the root itself now.
    bench.varve.run(&["gc"]).unwrap();
    bench.varve.run(&["-n", "containerd", "prune", "--all", "--force"]).unwrap();
    assert_eq!(bench.kept(), kept);
    bench.varve.cluster().processes()[0].start().unwrap();
    bench.reached();
    assert_eq!(bench.says(), "root\nnew\n/bin/busybox\n");
    bench.remove();
}
