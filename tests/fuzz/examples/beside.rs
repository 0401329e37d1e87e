//! `beside COUNT SEED`: random archives, read by Varve and by others. `beside DIRECTORY`: those that are there,
//! with the right sums.
//! Says how often who read what, and each archive that breaks the rule; random ones of that kind are kept
//! below target/fuzz/found. One alone is told of in full.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool of the tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use varve_fuzz::beside::{Peers, generate};

/// Findings that are told before it gives up.
const TOLD: usize = 20;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: u64| match words.get(at) {
        Some(word) => word.parse::<u64>().ok(),
        None => Some(otherwise),
    };
    let Some(mut peers) = Peers::start() else { return ExitCode::FAILURE };
    let findings = match (number(0, 1000), number(1, 1)) {
        (Some(count), Some(seed)) => random(&mut peers, count, seed),
        _ => of(&mut peers, Path::new(&words[0])),
    };
    for (verdict, count) in &peers.counts {
        println!("{count:>8}  {verdict}");
    }
    if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn random(peers: &mut Peers, count: u64, seed: u64) -> usize {
    let found = Path::new("target/fuzz/found/beside");
    let broken = (seed..seed + count).filter(|seed| {
        let archive = generate::archive(*seed);
        let verdict = peers.read(&archive);
        if count == 1 {
            println!("{verdict:#?}");
        }
        let finding = verdict.finding();
        if let Some(why) = &finding {
            fs::create_dir_all(found).unwrap();
            fs::write(found.join(format!("seed-{seed}")), archive).unwrap();
            println!("seed {seed}: {why}");
        }
        finding.is_some()
    });
    broken.take(TOLD).count()
}

fn of(peers: &mut Peers, directory: &Path) -> usize {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let broken = files.iter().filter(|file| {
        let archive = varve_fuzz::tar::summed(&fs::read(file).unwrap());
        let finding = peers.read(&archive).finding();
        finding.iter().for_each(|why| println!("{}: {why}", file.display()));
        finding.is_some()
    });
    broken.take(TOLD).count()
}
