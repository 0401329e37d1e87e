//! A store with one image, and what must be true of it before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::Value;
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary, text};
use varve_tests::compare::varve_tree_since;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;
use varve_tests::odd;
use varve_tests::soak::Random;
use varve_tests::tree::{Listing, differences};

/// The kind of a finding, and what it is of; `*` for anything.
pub type Named = (&'static str, String);

pub struct Store {
    pub varve: Varve,
    pub image: String,
    pub snapshotter: &'static str,
    pub registry: Fake,
    /// Times since then are no archive's.
    begun: SystemTime,
    blobs: BTreeSet<String>,
    snapshots: BTreeSet<String>,
    tree: Listing,
}

impl Store {
    /// Another image for each `seed`, in the snapshotters in turn.
    pub fn new(seed: u64) -> Self {
        Self::over(Topology::Embedded, seed)
    }

    pub fn over(topology: Topology, seed: u64) -> Self {
        let begun = SystemTime::now();
        let root = rustix::process::geteuid().is_root();
        let snapshotter = if root && seed.is_multiple_of(2) { "overlayfs" } else { "native" };
        let registry = Fake::start().unwrap();
        registry.push("lab/box", "1", &content(seed));
        let image = format!("{}/lab/box:1", registry.address());
        let varve = Varve::over(topology, binary().unwrap()).unwrap();
        varve.run(&["pull", "-q", "--snapshotter", snapshotter, &image]).unwrap();
        let tree = varve_tree_since(&varve, &image, snapshotter, begun).unwrap();
        let mut store = Self {
            varve,
            image,
            snapshotter,
            registry,
            begun,
            blobs: BTreeSet::new(),
            snapshots: BTreeSet::new(),
            tree,
        };
        store.varve.run(&["gc"]).unwrap();
        (store.blobs, store.snapshots) = (store.files(), store.listed("snapshots", "name"));
        store
    }

    pub fn layout(&self) -> PathBuf {
        self.varve.layout()
    }

    pub fn blob(&self, digest: &str) -> PathBuf {
        self.layout().join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    /// The directories of snapshots, as the snapshotter has them.
    pub fn places(&self) -> PathBuf {
        self.varve.root().join("snapshotters").join(self.snapshotter)
    }

    /// Digests, sorted.
    pub fn digests(&self) -> Vec<String> {
        self.listed("content", "digest").into_iter().collect()
    }

    fn listed(&self, noun: &str, field: &str) -> BTreeSet<String> {
        let rows = self.varve.json(&self.with_snapshotter(&[noun, "ls"])).unwrap();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row[field].as_str().unwrap().to_owned()).collect()
    }

    fn with_snapshotter<'a>(&self, words: &[&'a str]) -> Vec<&'a str> {
        match words[0] {
            "snapshots" => [words, &["--snapshotter", self.snapshotter]].concat(),
            _ => words.to_vec(),
        }
    }

    fn files(&self) -> BTreeSet<String> {
        let files = fs::read_dir(self.layout().join("blobs/sha256")).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// What a look finds, and whether it says that all is well.
    pub fn fsck(&self, words: &[&str]) -> (Vec<Value>, bool) {
        let words = [&["fsck", "--output", "json"], words].concat();
        let output = self.varve.output(&words).unwrap();
        let said = text(&output.stdout);
        let report: Value = serde_json::from_str(&said)
            .unwrap_or_else(|_| panic!("{said}{}", text(&output.stderr)));
        (report["findings"].as_array().unwrap().clone(), output.status.success())
    }

    pub fn is_sound(&self) {
        let (findings, sound) = self.fsck(&[]);
        assert!(sound && findings.is_empty(), "{findings:#?}");
    }

    /// It is as it was before anything was damaged.
    pub fn is_as_it_was(&self) {
        self.is_sound();
        self.varve.run(&["gc"]).unwrap();
        assert_eq!(self.files(), self.blobs, "a file is over, or is missing");
        assert_eq!(self.listed("snapshots", "name"), self.snapshots);
        for place in ["staged", "lost"] {
            let left = fs::read_dir(self.places().join(place)).map_or(0, Iterator::count);
            assert_eq!(left, 0, "something is left in {place}");
        }
        let Self { varve, image, snapshotter, begun, .. } = self;
        let tree = varve_tree_since(varve, image, snapshotter, *begun).unwrap();
        let differ = differences(&tree, &self.tree);
        assert!(differ.is_empty(), "{}", differ[..differ.len().min(5)].join("\n"));
        let said = self.varve.run(&["check", "--deep"]).unwrap();
        assert!(said.ends_with(": whole\n"), "{said}");
    }
}

/// What was found is what was damaged, and the image that needs it is named.
pub fn is_named(findings: &[Value], expected: &[Named]) {
    let mut found: Vec<(String, String)> = findings
        .iter()
        .map(|one| (one["kind"].as_str().unwrap().into(), one["noun"].as_str().unwrap().into()))
        .collect();
    let mut expected: Vec<(String, String)> =
        expected.iter().map(|(kind, noun)| ((*kind).to_owned(), noun.clone())).collect();
    found.sort();
    expected.sort();
    let same = |(one, other): (&(String, String), &(String, String))| {
        one.0 == other.0 && (one.1 == other.1 || other.1 == "*")
    };
    let all = found.len() == expected.len() && found.iter().zip(&expected).all(same);
    assert!(all, "want {expected:?}, found {findings:#?}");
}

/// Every odd thing that a layer may hold; or many plain ones; behind an index or not.
fn content(seed: u64) -> Content {
    let mut random = Random::new(seed);
    let packing = [Packing::Gzip, Packing::Zstd, Packing::Plain][(random.next() % 3) as usize];
    let layers = match random.next() % 3 {
        0 => odd::layers(),
        _ => (0..2 + random.next() % 3).map(|n| plain(&mut random, n)).collect(),
    };
    let mut content = Content::default();
    let host = platform("linux", "amd64", "");
    let child = content.image(Family::Oci, packing, &host, &layers);
    if random.next().is_multiple_of(2) {
        let other = platform("linux", "arm64", "v8");
        let second = content.image(Family::Oci, packing, &other, &[plain(&mut random, 9)]);
        content.index(Family::Oci, &[(child, host), (second, other)]);
    }
    content
}

fn plain(random: &mut Random, n: u64) -> Vec<u8> {
    let mut layer = Layer::new().dir("etc/", 0o755).dir(&format!("l{n}/"), 0o755);
    for file in 0..5 + random.next() % 10 {
        let body: Vec<u8> = (0..1 + random.next() % 9000).map(|_| random.next() as u8).collect();
        layer = layer.file(&format!("l{n}/{file}"), 0o644, &body);
    }
    let layer = layer.file("etc/release", 0o644, format!("layer {n}").as_bytes());
    let layer = layer.symlink(&format!("l{n}/link"), "../etc/release");
    let layer = layer.hard_link(&format!("l{n}/same"), &format!("l{n}/0"));
    if n == 0 { layer } else { layer.whiteout(&format!("l{}/1", n - 1)) }.finish()
}
