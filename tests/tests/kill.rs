//! Killed with -9 at random moments: the next pull resumes, ends right, and leaves nothing over.
//!
//! `VARVE_KILL_RUNS` sets how many pulls are killed (default 20).

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use varve_registry::testsuite::{Fault, On, Rule};
use varve_tests::command::Varve;
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;

const LAYERS: usize = 4;

#[test]
fn a_pull_killed_at_any_moment_is_resumed_and_leaves_nothing_over() {
    let runs: u64 =
        std::env::var("VARVE_KILL_RUNS").map_or(20, |runs| runs.parse().expect("a count of runs"));
    let registry = Fake::start().unwrap();
    registry.push("killed", "1", &image());
    // Slow enough that a kill falls into every stage of a download.
    let pace = Fault::Slow(16 << 10, Duration::from_millis(2));
    registry.faults([Rule::new(On::Blobs, pace)]);
    let name = format!("{}/killed:1", registry.address());
    let whole = undisturbed(&name);
    let mut random = 0x9e37_79b9_7f4a_7c15;
    let mut resumed = 0;
    for run in 0..runs {
        let varve = Varve::new().unwrap();
        for _ in 0..=run % 3 {
            random = next(random);
            let share = f64::from(u32::try_from(random >> 40).unwrap()) / f64::from(1u32 << 24);
            kill_after(&varve, &name, whole.mul_f64(share));
        }
        let before = registry.requests().len();
        varve.run(&["pull", &name]).unwrap_or_else(|error| panic!("run {run}: {error:#}"));
        resumed += registry.requests()[before..].iter().filter(|r| r.range.is_some()).count();
        check(&varve, run);
    }
    assert!(resumed > 0, "{runs} kills, and no download was resumed by Range");
    eprintln!("{runs} runs, {resumed} downloads resumed by Range");
}

/// Four layers of 3 MB that do not compress, and a few hundred small files each.
fn image() -> Content {
    let mut random = 1;
    let layers: Vec<_> = (0..LAYERS)
        .map(|n| {
            let mut noise = Vec::with_capacity(3 << 20);
            while noise.len() < 3 << 20 {
                random = next(random);
                noise.extend_from_slice(&random.to_le_bytes());
            }
            let dir = format!("layer-{n}/");
            let layer = Layer::new().dir(&dir, 0o755).file(&format!("{dir}noise"), 0o644, &noise);
            (0..300)
                .fold(layer, |layer, file| layer.file(&format!("{dir}{file}"), 0o644, b"small"))
                .finish()
        })
        .collect();
    let mut content = Content::default();
    content.image(Family::Oci, Packing::Gzip, &platform("linux", "amd64", ""), &layers);
    content
}

/// How long a pull takes that nobody kills.
fn undisturbed(name: &str) -> Duration {
    let varve = Varve::new().unwrap();
    let begun = Instant::now();
    varve.run(&["pull", name]).unwrap();
    let whole = begun.elapsed();
    check(&varve, u64::MAX);
    whole
}

fn kill_after(varve: &Varve, name: &str, time: Duration) {
    let mut child =
        varve.command(&["pull", name]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Nothing is left but the image: no ingest, no lease, no staged tree, no blob without a record, and
/// the recount of references agrees.
fn check(varve: &Varve, run: u64) {
    varve.run(&["gc"]).unwrap_or_else(|error| panic!("run {run}: {error:#}"));
    let list = |args: &[&str]| varve.json(args).unwrap().as_array().unwrap().clone();
    assert_eq!(list(&["content", "active"]).len(), 0, "run {run}: an ingest is left");
    assert_eq!(list(&["leases", "ls"]).len(), 0, "run {run}: a lease is left");
    assert_eq!(list(&["snapshots", "ls"]).len(), LAYERS, "run {run}");
    let known: BTreeSet<String> = list(&["content", "ls"])
        .iter()
        .map(|blob| blob["digest"].as_str().unwrap().replace("sha256:", ""))
        .collect();
    assert_eq!(known.len(), LAYERS + 2, "run {run}: layers, config, manifest");
    assert_eq!(names(&varve.layout().join("blobs/sha256")), known, "run {run}");
    assert_eq!(names(&varve.layout().join("ingest")).len(), 0, "run {run}");
    assert_eq!(staged(varve.root()), Vec::<String>::new(), "run {run}");
}

fn names(directory: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeSet::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What is below any snapshotter's `staged` directory.
fn staged(root: &Path) -> Vec<String> {
    names(&root.join("snapshotters"))
        .iter()
        .flat_map(|driver| names(&root.join("snapshotters").join(driver).join("staged")))
        .collect()
}

/// A splitmix64 step: random enough, and the same on every run.
fn next(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
