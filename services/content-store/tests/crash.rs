//! kill -9 at random moments of writes, commits, records and collections: what was answered is
//! there, every blob is what its name says, the counts agree, and a collection leaves nothing over.
//!
//! The victim is this test program again, told by its environment to work in a directory until it
//! dies. It prints a line for each answer.

#![allow(clippy::unwrap_used, reason = "of tests")]
#![allow(clippy::print_stdout, reason = "the victim's answers go to its killer")]

mod kit;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use varve_content_store::{Config, ContentStore, open};
use varve_core::collect::Collector;
use varve_core::containers::{Any, Container, Containers, Runtime};
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::images::{Images, Record};
use varve_core::leases::Leases;
use varve_core::{Descriptor, Digest, Labels, MediaType, ResultExt, Scope};

const DIR: &str = "VARVE_CRASH_DIR";
const RUNS: &str = "VARVE_CRASH_RUNS";

/// A small generator: the test must not depend on what it draws.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        Self(now.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(std::process::id()) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = [0, 1, 1000, 70_000, 1_500_000][self.roll(5) as usize];
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.roll(u64::MAX).to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

fn config(dir: &Path) -> Config {
    Config { idle_ingest: Duration::ZERO, ..Config::new(dir) }
}

/// Works until it is killed. Run by [`killed_at_any_moment`], and nothing without it.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = open(config(Path::new(&dir))).await.unwrap();
    println!("open");
    let mut dice = Dice::new();
    for n in 0_u64.. {
        match dice.roll(10) {
            0 => drop(store.collect(false).await.unwrap()),
            1 => part(&store, &mut dice).await,
            2 => contain(&store, &mut dice).await,
            3 => drop(lease(&store, n).await),
            _ => pull(&store, &mut dice, n).await,
        }
    }
}

/// What a pull does: a lease, blobs at once, a record.
async fn pull(store: &ContentStore, dice: &mut Dice, n: u64) {
    let id = lease(store, n).await;
    let scope = Scope::default().leased(&id);
    let layers = [dice.bytes(), dice.bytes()];
    let all = both(store, &scope, &layers).await;
    let edges: Labels = all
        .iter()
        .enumerate()
        .map(|(n, digest)| (format!("containerd.io/gc.ref.content.l.{n}"), digest.to_string()))
        .collect();
    let top = format!("{n} {} {}", std::process::id(), dice.roll(u64::MAX)).into_bytes();
    let digest = kit::put(store, &scope, &top, &[]).await;
    let target = Descriptor::new(MediaType::Other("a/b".into()), digest, top.len() as u64);
    let name = format!("image-{}", dice.roll(4));
    let content_labels = vec![(digest, edges)];
    let record = Record { name: name.clone(), target, content_labels };
    store.record(&scope, record).await.unwrap();
    println!("image {name} {digest}");
    Leases::delete(store, &Scope::default(), &id).await.unwrap();
}

async fn both(store: &ContentStore, scope: &Scope, layers: &[Vec<u8>; 2]) -> [Digest; 2] {
    let (a, b) = tokio::join!(
        kit::put(store, scope, &layers[0], &[]),
        kit::put(store, scope, &layers[1], &[])
    );
    [a, b]
}

async fn lease(store: &ContentStore, n: u64) -> String {
    let id = format!("l-{}-{n}", std::process::id());
    let end = "2020-01-01T00:00:00Z";
    let labels = Labels::from([("containerd.io/gc.expire".to_owned(), end.to_owned())]);
    // Over already, but a collection is the same process's: it never runs beside a pull here.
    Leases::create(store, &Scope::default(), &id, &labels).await.unwrap();
    id
}

/// An ingest that is left half written, or committed wrongly.
async fn part(store: &ContentStore, dice: &mut Dice) {
    let ingest = format!("part-{}", dice.roll(3));
    let open = OpenWriter { ingest, ..OpenWriter::default() };
    let mut writer = store.writer(&Scope::default(), open).await.unwrap();
    writer.write(dice.bytes().into()).await.unwrap();
    if dice.roll(2) == 0 {
        let wrong = Commit { size: 3, ..Commit::default() };
        assert!(writer.commit(wrong).await.is_err());
    }
}

async fn contain(store: &ContentStore, dice: &mut Dice) {
    let id = format!("c{}", dice.roll(3));
    let now = varve_core::time::now();
    let spec = Any { type_url: "spec".into(), value: vec![b'x'; 40_000].into() };
    let container = Container {
        id: id.clone(),
        labels: Labels::new(),
        image: String::new(),
        runtime: Runtime::default(),
        spec: Some(spec),
        snapshotter: String::new(),
        snapshot_key: String::new(),
        created_at: now,
        updated_at: now,
        extensions: Default::default(),
    };
    let scope = Scope::default();
    if Containers::create(store, &scope, &container).await.unless_exists().unwrap().is_none() {
        Containers::delete(store, &scope, &id).await.unwrap();
    }
}

#[test]
fn killed_at_any_moment_it_keeps_what_it_answered_and_leaves_nothing_over() {
    let runs = std::env::var(RUNS).ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let mut dice = Dice::new();
    let dir = tempfile::tempdir().unwrap();
    let mut images = std::collections::BTreeMap::new();
    let mut told = 0;
    for run in 0..runs {
        if run % 5 == 0 {
            std::fs::remove_dir_all(dir.path()).unwrap();
            images.clear();
        }
        let answers = kill_one(dir.path(), Duration::from_millis(5 + dice.roll(400)));
        told += answers.len();
        for line in answers {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["image", name, digest] = words[..] {
                images.insert(name.to_owned(), digest.parse().unwrap());
            }
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(verify(dir.path(), &images));
    }
    assert!(told >= runs, "{told} answers in {runs} runs: the victims did next to nothing");
}

/// Starts a victim, kills it some time after its store is open, and answers what it said.
fn kill_one(dir: &Path, after: Duration) -> Vec<String> {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "victim", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let opened = lines.by_ref().map(Result::unwrap).any(|line| line.ends_with("open"));
    assert!(opened, "the victim ended before its store was open");
    std::thread::sleep(after);
    let ended = victim.try_wait().unwrap();
    assert!(ended.is_none(), "the victim ended by itself: {ended:?}");
    victim.kill().unwrap();
    victim.wait().unwrap();
    std::io::stdout().flush().unwrap();
    // The last line may be torn; a line that is whole is an answer.
    lines.map_while(Result::ok).filter(|line| line.len() > 80 || line == "open").collect()
}

async fn verify(dir: &Path, images: &std::collections::BTreeMap<String, Digest>) {
    let (store, scope) = (open(config(dir)).await.unwrap(), Scope::default());
    kit::recounted(&store).await;
    for (name, digest) in images {
        let target = kit::target(&store, name).await.unwrap();
        // A newer one may have been recorded and not yet told.
        let kept = store.info(&scope, digest).await.found().unwrap().is_some();
        assert!(target.digest == *digest || kept, "{name} is {digest} no longer");
    }
    check_blobs(&store, &scope).await;
    store.collect(false).await.unwrap();
    kit::recounted(&store).await;
    let blobs = check_blobs(&store, &scope).await;
    assert_eq!(files(dir, "blobs/sha256"), blobs.iter().map(Digest::hex).collect());
    assert_eq!(files(dir, "ingest"), BTreeSet::new());
    let containers = Containers::list(&*store, &scope, &[]).await.unwrap();
    assert_eq!(files(dir, "containers").len(), containers.len());
    assert_eq!(Leases::list(&*store, &scope, &[]).await.unwrap(), []);
    let named = Images::list(&*store, &scope, &[]).await.unwrap();
    assert_eq!(named.is_empty(), blobs.is_empty());
    store.close().await.unwrap();
}

/// Reads and hashes every blob.
async fn check_blobs(store: &ContentStore, scope: &Scope) -> Vec<Digest> {
    let mut all = Vec::new();
    for info in Content::list(store, scope, &[]).await.unwrap() {
        let reader = store.reader(scope, &info.digest).await.unwrap();
        assert_eq!(Digest::of(&reader.read_all(1 << 30).await.unwrap()), info.digest);
        all.push(info.digest);
    }
    all
}

fn files(dir: &Path, room: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir.join(room)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
