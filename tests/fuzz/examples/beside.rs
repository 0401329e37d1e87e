//! `beside COUNT SEED`: random archives, and those of the corpus, read by Varve and by others. Says how
//! often who read what, and each archive that breaks the rule, which it keeps below target/fuzz/found.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool of the tests")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use varve_fuzz::beside::{Peers, generate};

/// Findings that are told before it gives up.
const TOLD: usize = 20;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mut number = |else_: u64| words.next().map_or(else_, |word| word.parse().unwrap());
    let (count, seed) = (number(1000), number(1));
    let Some(mut peers) = Peers::start() else { return ExitCode::FAILURE };
    let found = Path::new("target/fuzz/found/beside");
    let mut findings = 0;
    for seed in seed..seed + count {
        let archive = generate::archive(seed);
        let verdict = peers.read(&archive);
        if count == 1 {
            println!("{verdict:#?}");
        }
        let Some(why) = verdict.finding() else { continue };
        fs::create_dir_all(found).unwrap();
        fs::write(found.join(format!("seed-{seed}")), archive).unwrap();
        println!("seed {seed}: {why}");
        findings += 1;
        if findings == TOLD {
            break;
        }
    }
    for (verdict, count) in &peers.counts {
        println!("{count:>8}  {verdict}");
    }
    if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
