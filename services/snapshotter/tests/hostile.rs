//! Layers that mean harm, side by side and on their parents; beside the root a tree that nothing may touch.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use kit::layer::Archive;
use kit::{Room, describe};
use tokio::sync::Mutex;
use varve_core::content::{Content, OpenWriter};
use varve_core::{ChainId, Digest, Kind};

const DRIVERS: [&str; 2] = ["overlayfs", "native"];

/// One test at a time: descriptors are counted.
static ALONE: Mutex<()> = Mutex::const_new(());

/// How many of what is counted: more where VARVE_THREATS says so.
fn count(usually: u64) -> u64 {
    let told = std::env::var("VARVE_THREATS").ok();
    told.and_then(|text| text.parse().ok()).unwrap_or(usually)
}

/// What stands beside the root.
struct Canary {
    dir: PathBuf,
    before: Vec<String>,
}

impl Canary {
    fn beside(room: &Room) -> Self {
        let dir = room.temp.path().join("canary");
        fs::create_dir_all(dir.join("sub")).unwrap();
        fs::write(dir.join("secret"), "untouched").unwrap();
        fs::write(dir.join("sub/file"), "untouched").unwrap();
        fs::set_permissions(dir.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("secret", dir.join("link")).unwrap();
        let before = facts(&dir);
        Self { dir, before }
    }

    fn check(&self, what: &str) {
        assert_eq!(facts(&self.dir), self.before, "{what}");
    }
}

/// Content, mode, owner, times, links of all of it.
fn facts(dir: &Path) -> Vec<String> {
    let mut facts = kit::tree::list_exactly(dir);
    for name in ["secret", "sub/file", "link"] {
        facts.push(format!(
            "{name} has {} names",
            dir.join(name).symlink_metadata().unwrap().nlink()
        ));
    }
    facts
}

/// A generator of numbers that is the same each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.throw(all.len())]
    }
}

const NAMES: [&str; 12] = [
    "a",
    "b",
    "a/b",
    "a/b/c",
    "b/secret",
    "a/secret",
    "a/sub",
    "a/sub/file",
    "b/a",
    "./a",
    "../a",
    "a/../b",
];

/// A few entries that lead out as far as they can.
fn layer(dice: &mut Dice, canary: &str) -> Vec<u8> {
    let up = format!("{}{canary}", "../".repeat(9));
    let targets =
        [canary, &up, "..", "../..", "/", ".", "a", "b", "a/b", "../canary", "../../../canary"];
    let mut archive = Archive::new();
    for _ in 0..1 + dice.throw(4) {
        let (name, other) = (dice.of(&NAMES), dice.of(&NAMES));
        archive = match dice.throw(12) {
            0..4 => archive.link(name, dice.of(&targets)),
            4 | 5 => archive.file(name, 0o4777, b"owned"),
            6 | 7 => archive.owner(7, 7).dir(name, 0o777).owner(0, 0),
            8 => archive.hard_link(name, other),
            9 => archive.hard_link(name, &format!("{}/secret", dice.of(&targets))),
            10 => archive.whiteout(name.trim_start_matches("../")),
            _ => archive.opaque(name),
        };
    }
    archive.finish()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers_that_unpack_side_by_side_and_onto_their_parents_lead_nowhere() {
    let _alone = ALONE.lock().await;
    for driver in DRIVERS {
        let Some(room) = kit::room(driver).await else { continue };
        room.service.close().await.unwrap();
        // A layer whose parent is refused gives up soon.
        let soon = |config: &mut varve_snapshotter::Config| {
            config.parent_patience = Duration::from_millis(50);
        };
        let service = kit::open(driver, room.temp.path(), &room.store, soon).await;
        let room = Room { service, ..room };
        let canary = Canary::beside(&room);
        let path = canary.dir.to_str().unwrap().to_owned();
        let (mut whole, rounds) = (0, count(30));
        for seed in 0..rounds {
            let mut dice = Dice(seed);
            let stacks: Vec<Vec<Vec<u8>>> =
                (0..2).map(|_| (0..3).map(|_| layer(&mut dice, &path)).collect()).collect();
            // Two images at once; a layer of the one may stand in the other, too.
            let (one, two) =
                tokio::join!(room.stack_at_once(&stacks[0]), room.stack_at_once(&stacks[1]));
            whole += u64::from(one.is_ok()) + u64::from(two.is_ok());
            canary.check(&format!("{driver}, seed {seed}"));
        }
        assert!(
            whole > rounds / 4,
            "{driver}: only {whole} of {rounds} pairs were laid down at all"
        );
        room.tidy().await;
        canary.check(driver);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_parent_has_for_a_link_no_child_writes_through() {
    let _alone = ALONE.lock().await;
    for driver in DRIVERS {
        let Some(room) = kit::room(driver).await else { continue };
        let canary = Canary::beside(&room);
        let path = canary.dir.to_str().unwrap();
        let up = format!("{}{path}", "../".repeat(9));
        for (n, target) in [path, &up].into_iter().enumerate() {
            let parent = Archive::new().link("d", target).file(&format!("n{n}"), 0o644, b"");
            let child = Archive::new()
                .file("d/secret", 0o666, b"owned")
                .file("d/new", 0o666, b"owned")
                .hard_link("d/other", "d/secret")
                .whiteout("d/sub")
                .opaque("d/sub");
            let grandchild =
                Archive::new().dir("d/sub/", 0o777).file("d/sub/file", 0o666, b"owned");
            let tars = [parent.finish(), child.finish(), grandchild.finish()];
            let chain: Vec<ChainId> = room.stack_at_once(&tars).await.unwrap();
            canary.check(driver);
            let tree = room.tree(chain[2]).await;
            let inside = format!(".{path}/secret ");
            assert!(tree.iter().any(|line| line.starts_with(&inside)), "{driver}: {tree:#?}");
        }
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Layers that are broken in each way.
fn broken(n: u64) -> Vec<(&'static str, Vec<u8>)> {
    let good = || {
        let text = n.to_le_bytes().repeat(20_000);
        Archive::new().dir("d/", 0o755).file("d/f", 0o644, &text).finish()
    };
    let gzip = |bytes: &[u8]| {
        use std::io::Write;
        let fast = flate2::Compression::fast();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), fast);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let packed = gzip(&good());
    let mut spoiled = packed.clone();
    let end = spoiled.len() - 5;
    spoiled[end] ^= 0x55;
    vec![
        ("cut off", good()[..5000].to_vec()),
        ("cut off, packed", packed[..packed.len() / 2].to_vec()),
        ("spoiled", spoiled),
        (
            "of no type",
            Archive::new().file(&format!("{n}"), 0o644, b"").finish().replace_flag(b'V'),
        ),
        ("another diff id", [&good()[..], b"and more"].concat()),
    ]
}

trait Replace {
    fn replace_flag(self, flag: u8) -> Self;
}

impl Replace for Vec<u8> {
    /// Gives the first entry another type, and the checksum that goes with it.
    fn replace_flag(mut self, flag: u8) -> Self {
        self[156] = flag;
        self[148..156].fill(b' ');
        let sum: u32 = self[..512].iter().map(|&byte| u32::from(byte)).sum();
        self[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_broken_layers_leave_no_descriptor_and_no_staging() {
    let _alone = ALONE.lock().await;
    for driver in DRIVERS {
        let Some(room) = kit::room(driver).await else { continue };
        let base = room.stack(&[Archive::new().dir("d/", 0o700).finish()]).await.unwrap()[0];
        let mut before = None;
        for n in 0..count(40) {
            for (what, bytes) in broken(n) {
                room.put(&bytes).await;
                for parent in [None, Some(base)] {
                    let mut layer = describe(&bytes, parent);
                    layer.diff_id.0 = Digest::of(&n.to_le_bytes());
                    let error = room.unpack(layer).await.unwrap_err();
                    let kinds = [Kind::InvalidArgument, Kind::DataLoss, Kind::FailedPrecondition];
                    assert!(kinds.contains(&error.kind()), "{what}: {}", error.chain());
                }
            }
            // What is opened once, at the first, is no leak.
            before.get_or_insert_with(descriptors);
        }
        room.tidy().await;
        let (before, after) = (before.unwrap(), descriptors());
        assert!(after <= before + 4, "{driver}: {before} descriptors at first, {after} at last");
        assert_eq!(room.names("snapshots").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_configured_bounds_a_layer_and_names_the_word_for_it() {
    let _alone = ALONE.lock().await;
    let Some(room) = kit::room("native").await else { return };
    let tar = Archive::new().dir("a/", 0o755).file("a/b", 0o644, b"b").finish();
    room.put(&tar).await;
    room.service.close().await.unwrap();
    for (entries, allowed) in [(1, false), (2, true)] {
        let change = |config: &mut varve_snapshotter::Config| config.limits.entries = entries;
        let service = kit::open("native", room.temp.path(), &room.store, change).await;
        let progress = varve_core::unpack::Progress::ignored();
        let unpacked = service.unpacker.unpack(&room.scope, describe(&tar, None), progress).await;
        if let Err(error) = &unpacked {
            assert_eq!(error.kind(), Kind::ResourceExhausted);
            let said = error.chain();
            let noun = format!("layer {}", Digest::of(&tar));
            assert!(said.starts_with(&noun), "{said}");
            assert!(said.contains("limit of 1 (snapshotter.limits.entries)"), "{said}");
        }
        assert_eq!(unpacked.is_ok(), allowed);
        service.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_layers_are_extracted_at_once_than_is_configured() {
    let _alone = ALONE.lock().await;
    for most in [1, 3] {
        let Some(room) = kit::room("native").await else { return };
        room.service.close().await.unwrap();
        let change = |config: &mut varve_snapshotter::Config| config.extractions = most;
        let service = kit::open("native", room.temp.path(), &room.store, change).await;
        let room = Room { service, ..room };
        let (mut writers, mut tasks) = (Vec::new(), Vec::new());
        for n in 0..5 {
            let tar = Archive::new().file(&format!("{n}"), 0o644, &[n; 5000]).finish();
            let digest = Digest::of(&tar);
            let (ingest, total) = (format!("slow {n}"), tar.len() as u64);
            let open = OpenWriter { ingest, total, expected: Some(digest) };
            let mut writer = room.store.writer(&room.scope, open).await.unwrap();
            writer.write(Bytes::copy_from_slice(&tar[..1024])).await.unwrap();
            writers.push(writer);
            tasks.push(room.spawn(describe(&tar, None)));
        }
        let mut seen = 0;
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            seen = seen.max(room.names("staged").len());
        }
        assert_eq!(seen, most);
        tasks.iter().for_each(|task| task.abort());
    }
}
