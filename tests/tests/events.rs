//! Events, wherever the services run: the changes of every process are told by the one that has the
//! content store, as `ctr events` shows.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel as pipe};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use varve_core::namespaces::Namespaces;
use varve_core::snapshots::NewSnapshot;
use varve_core::snapshotters::Snapshotters;
use varve_core::{Labels, Scope};
use varve_rpc::Address;
use varve_rpc::channel::channel;
use varve_rpc::events::{Client, Listening};
use varve_rpc::{namespaces, unpack};
use varve_tests::cluster::{SERVICES, Topology};
use varve_tests::command::{Varve, binary};
use varve_tests::demo;
use varve_tests::fake::Fake;
use varve_tests::peers::have;

/// How long an event may take until it is shown.
const SHOWN: Duration = Duration::from_secs(20);

/// The socket of the content store, and that of the snapshotters.
fn sockets(varve: &mut Varve, topology: Topology) -> [String; 2] {
    match topology {
        Topology::Split => [SERVICES[0], SERVICES[1]].map(|name| varve.cluster().socket(name)),
        _ => [(); 2].map(|()| format!("unix://{}/varve.sock", varve.root().display())),
    }
}

/// Pulls an image, works with a snapshot, and removes the image with all that was its own.
async fn live(varve: &Varve, registry: &Fake, snapshotters: &Address) {
    let image = format!("{}/told:1", registry.address());
    varve.run(&["pull", "-q", &image]).unwrap();
    let native = unpack::Client::new(channel(snapshotters)).open("native").await.unwrap();
    let (scope, labels) = (Scope::default(), Labels::new());
    let new = NewSnapshot { key: "key".into(), ..NewSnapshot::default() };
    native.snapshots.prepare(&scope, new).await.unwrap();
    native.snapshots.commit(&scope, "name", "key", &labels).await.unwrap();
    native.snapshots.remove(&scope, "name").await.unwrap();
    varve.run(&["rmi", &image]).unwrap();
    varve.run(&["gc"]).unwrap();
}

/// What must be told of that, in this order among other things: a topic, and a word of the event.
fn wanted(registry: &Fake) -> Vec<(&'static str, String)> {
    let image = format!("{}/told:1", registry.address());
    vec![
        ("/content/create", String::new()),
        ("/snapshot/commit", "sha256:".into()),
        ("/images/create", image.clone()),
        ("/snapshot/prepare", "key".into()),
        ("/snapshot/commit", "name".into()),
        ("/snapshot/remove", "name".into()),
        ("/images/delete", image),
        ("/snapshot/remove", "sha256:".into()),
    ]
}

fn are_told(topology: Topology) {
    let runtime = Runtime::new().unwrap();
    let registry = Fake::start().unwrap();
    registry.push("told", "1", &demo::image());
    let mut varve = Varve::over(topology, binary().unwrap()).unwrap();
    let [store, snapshotters] = sockets(&mut varve, topology).map(|it| it.parse().unwrap());
    let told = runtime.block_on(async {
        let mut told = Client::new(channel(&store)).listen(&[]).await.unwrap();
        live(&varve, &registry, &snapshotters).await;
        tokio::time::timeout(SHOWN, all(&mut told, wanted(&registry))).await
    });
    assert!(told.is_ok(), "not all was told:\n{}", varve.cluster().logs());
}

/// Passes over events until all that is wanted was told, in this order.
async fn all(told: &mut Listening, wanted: Vec<(&str, String)>) {
    for (topic, word) in wanted {
        loop {
            let event = told.next().await.unwrap().unwrap();
            let text = String::from_utf8_lossy(&event.event.unwrap().value).into_owned();
            if event.topic == topic && text.contains(&word) {
                break;
            }
        }
    }
}

#[test]
fn the_changes_of_one_daemon_are_told() {
    are_told(Topology::Daemon);
}

#[test]
fn the_changes_of_four_processes_are_told_by_the_content_store() {
    are_told(Topology::Split);
}

/// `ctr events`, and the lines that it prints.
struct Ctr(Child, Receiver<String>);

impl Ctr {
    fn start(socket: &str) -> Self {
        let socket = socket.strip_prefix("unix://").unwrap();
        let mut ctr = Command::new("ctr");
        ctr.args(["--address", socket, "events"]).stdin(Stdio::null()).stderr(Stdio::null());
        let mut ctr = ctr.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(ctr.stdout.take().unwrap()).lines();
        let (to, from) = pipe();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| to.send(line)));
        Self(ctr, from)
    }

    /// Waits until it listens, of which it says nothing: it does once it shows what is told again and
    /// again.
    async fn begun(&self, store: &Address) {
        let namespaces = namespaces::Client::new(channel(store));
        let probe = "probe".parse().unwrap();
        loop {
            namespaces.create(&probe, &Labels::new()).await.unwrap();
            namespaces.delete(&probe).await.unwrap();
            let soon = Instant::now() + Duration::from_millis(100);
            if self.shows(["/namespaces/delete", "{\"name\":\"probe\"}"], soon).is_ok() {
                return;
            }
        }
    }

    /// Passes over lines until one has both words.
    fn shows(&self, words: [&str; 2], end: Instant) -> Result<(), String> {
        let mut seen = String::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.1.recv_timeout(left) else { return Err(seen) };
            if words.iter().all(|word| line.contains(word)) {
                return Ok(());
            }
            seen += &format!("{line}\n");
        }
    }
}

impl Drop for Ctr {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ctr_shows_the_changes_of_four_processes() {
    if !have(&["ctr"], "ctr_shows_the_changes_of_four_processes") {
        return;
    }
    let registry = Fake::start().unwrap();
    registry.push("told", "1", &demo::image());
    let mut varve = Varve::over(Topology::Split, binary().unwrap()).unwrap();
    let [store, snapshotters] = sockets(&mut varve, Topology::Split);
    let ctr = Ctr::start(&store);
    Runtime::new().unwrap().block_on(async {
        tokio::time::timeout(SHOWN, ctr.begun(&store.parse().unwrap())).await.unwrap();
        live(&varve, &registry, &snapshotters.parse().unwrap()).await;
    });
    let end = Instant::now() + SHOWN;
    // ctr 1.6 does not know the type of /content/create, and passes over it.
    for (topic, word) in wanted(&registry).into_iter().filter(|it| it.0 != "/content/create") {
        let shown = ctr.shows([topic, &word], end);
        assert!(shown.is_ok(), "no {topic} with {word} in\n{}", shown.unwrap_err());
    }
}
