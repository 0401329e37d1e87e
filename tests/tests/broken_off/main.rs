//! A client that breaks off in the middle of a call, at any point, leaves nothing locked and nothing behind: another
//! one does the same at once, under the same ref, key and name; counts agree; and what is collected then is all.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which tells its seed")]

mod calls;
mod line;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Runtime;
use varve_core::collect::Collector;
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::digest::DiffId;
use varve_core::leases::Leases;
use varve_core::oci::Compression;
use varve_core::remotes::Remote;
use varve_core::unpack::Layer;
use varve_core::{Descriptor, Digest, Labels, MediaType, Scope};
use varve_rpc::channel::{Channel, channel};
use varve_rpc::{Address, collect, content, leases};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};
use varve_tests::fake::Fake;
use varve_tests::image::Content as Images;
use varve_tests::layer;

use calls::{ALL, Call, LEASE, Things};
use line::Line;

/// How often each call is broken off; more by `VARVE_CUTS`.
const CUTS: u64 = 12;
/// What a server that learned of the end may take to be done with the call.
const DONE: Duration = Duration::from_secs(20);

/// Blobs that a store keeps open, at most.
const KEPT_OPEN: usize = 16;

/// Numbers that depend on the seed alone (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

struct Bench {
    varve: Varve,
    socket: PathBuf,
    direct: Channel,
    dir: tempfile::TempDir,
    things: Things,
}

impl Bench {
    async fn start(registry: &Fake) -> Self {
        let varve = Varve::over(Topology::Daemon, binary().unwrap()).unwrap();
        let socket = varve.root().join("varve.sock");
        let direct = channel(&Address::Unix(socket.clone()));
        let things = things(registry);
        let dir = tempfile::Builder::new().prefix("varve-lines-").tempdir().unwrap();
        let bench = Self { varve, socket, direct, dir, things };
        let leases = leases::Client::new(bench.direct.clone());
        leases.create(&Scope::default(), LEASE, &Labels::new()).await.unwrap();
        bench.put_layer().await;
        bench
    }

    async fn put_layer(&self) {
        let content = content::Client::new(self.direct.clone());
        let open = OpenWriter { ingest: "the-layer".into(), ..OpenWriter::default() };
        let mut writer = content.writer(&calls::held(), open).await.unwrap();
        writer.write(tar()).await.unwrap();
        writer.commit(Commit::default()).await.unwrap();
    }

    /// Makes the call on a line that breaks after `limit` bytes. Answers how many there were, and whether the call
    /// came to its end.
    async fn on_line(&self, call: Call, limit: u64) -> (u64, bool) {
        let line = Line::start(&self.socket, self.dir.path(), limit);
        let channel = channel(&line.address());
        let made = call.make(&channel, &self.things);
        // One that waits is left where it is, if the line lasts so long.
        let patience = if call.waits() { Duration::from_millis(50) } else { DONE };
        let made = tokio::time::timeout(patience, made).await;
        (line.carried(), made.is_ok_and(|made| made.is_ok()))
    }

    /// Makes it as another client, which must come to its end. What was locked by one whose line broke a moment
    /// ago is free as soon as that is known.
    async fn again(&self, call: Call, why: &str) {
        if call.waits() {
            return;
        }
        let end = Instant::now() + DONE;
        while let Err(error) = call.make(&self.direct, &self.things).await {
            assert!(Instant::now() < end, "{why}, it stays so: {}", error.chain());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn recounted(&self, why: &str) {
        let collector = collect::Client::new(self.direct.clone());
        assert_eq!(collector.recount().await.unwrap(), Vec::<String>::new(), "{why}");
    }

    /// Files below the root that are somebody's bytes, or were to be.
    fn files(&self) -> Vec<PathBuf> {
        let native = "snapshotters/native";
        let dirs =
            ["content/blobs/sha256", "content/ingest", "content/passing", "content/containers"];
        let dirs = dirs.map(str::to_owned).into_iter();
        let dirs =
            dirs.chain(["snapshots", "staged", "trash"].map(|dir| format!("{native}/{dir}")));
        let below =
            dirs.flat_map(|dir| fs::read_dir(self.varve.root().join(dir)).into_iter().flatten());
        // The staging directory is spread over rooms, which stay.
        below.map(|entry| entry.unwrap().path()).collect()
    }

    /// How many files and sockets the daemon has open, but for those of blobs: a few that were read stay open.
    fn open(&mut self) -> usize {
        let pid = self.varve.cluster().processes()[0].pid().unwrap();
        let all = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let all: Vec<_> =
            all.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect();
        let blobs = self.varve.root().join("content/blobs");
        let others = all.iter().filter(|target| !target.starts_with(&blobs)).count();
        assert!(all.len() - others <= KEPT_OPEN, "{all:?}");
        others
    }
}

/// A layer with enough files that its unpacking takes a while.
fn tar() -> Bytes {
    let files = (0..200).fold(layer::Layer::new(), |layer, n| {
        layer.file(&format!("file-{n}"), 0o644, &[n as u8; 2000])
    });
    files.finish().into()
}

fn things(registry: &Fake) -> Things {
    let tar = tar();
    let kind = MediaType::OciLayer(Compression::None);
    let blob = Descriptor::new(kind.clone(), Digest::of(&tar), tar.len() as u64);
    let layer = Layer { blob, diff_id: DiffId(Digest::of(&tar)), parent: None };
    let far = vec![7; 3 << 20];
    let there = Descriptor::new(kind, Digest::of(&far), far.len() as u64);
    registry.push("far", "1", &Images { blobs: vec![far], manifests: Vec::new() });
    let reference = format!("{}/far:1", registry.address()).parse().unwrap();
    let remote = (Remote::anonymous(reference), there);
    Things { layer, remote, bytes: (0..600_000_u32).map(|n| ((n * 31) >> 3) as u8).collect() }
}

#[test]
fn a_client_that_breaks_off_anywhere_leaves_nothing() {
    let registry = Fake::start().unwrap();
    Runtime::new().unwrap().block_on(break_off_everywhere(&registry));
}

async fn break_off_everywhere(registry: &Fake) {
    let seed = from_env("VARVE_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1);
    println!("VARVE_SEED={seed}");
    let mut numbers = Numbers(seed.max(1));
    let mut bench = Bench::start(registry).await;
    let mut lengths = Vec::new();
    for call in ALL {
        let (length, done) = bench.on_line(call, u64::MAX).await;
        assert_eq!(done, !call.waits(), "{call:?}");
        lengths.push((call, length));
    }
    let open = settled(&mut bench, usize::MAX).await;
    let (mut broken, mut all) = (0, 0);
    for (call, length) in lengths {
        for _ in 0..from_env("VARVE_CUTS").unwrap_or(CUTS) {
            let cut = numbers.below(length);
            let why = format!("{call:?}, broken off after {cut} of {length} bytes");
            let (_, done) = bench.on_line(call, cut).await;
            (broken, all) = (broken + u64::from(!done), all + 1);
            bench.again(call, &why).await;
            bench.recounted(&why).await;
        }
        let now = settled(&mut bench, open).await;
        assert!(now <= open, "{call:?}: {open} files and sockets were open, and now {now}");
    }
    // A call whose last bytes alone were lost comes to its end.
    assert!(broken * 2 > all, "of {all} calls no more than {broken} were broken off");

    // All that was made is the lease's.
    Leases::delete(&leases::Client::new(bench.direct.clone()), &Scope::default(), LEASE)
        .await
        .unwrap();
    let end = Instant::now() + DONE;
    loop {
        bench.varve.run(&["gc"]).unwrap();
        let left = bench.files();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left: {left:#?}\n{}", bench.varve.cluster().logs());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many files are open once no more than `most` are, or as few as there will be.
async fn settled(bench: &mut Bench, most: usize) -> usize {
    let end = Instant::now() + DONE;
    let mut least = usize::MAX;
    let mut same = 0;
    while Instant::now() < end && same < 20 {
        let now = bench.open();
        if now <= most && most != usize::MAX {
            return now;
        }
        same = if now < least { 0 } else { same + usize::from(most == usize::MAX) };
        least = least.min(now);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    least
}
