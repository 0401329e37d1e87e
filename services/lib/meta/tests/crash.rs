//! A process that is killed with -9 while it writes loses nothing that it was told is written.
//!
//! The child is this test binary again, running one test with a directory in its environment.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in tests, and misses their helpers.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use varve_meta::{Db, Options};

const CHILD: &str = "VARVE_META_TEST_CHILD";
/// How many kills, unless VARVE_META_KILLS says otherwise.
const RUNS: u64 = 24;
const THREADS: u64 = 4;

/// Writes numbered pairs from several threads until it is killed, and says which were answered.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    // Exports as often as it can, so that kills meet them too.
    let options = Options { export_every: Duration::from_millis(1), ..Options::default() };
    let (db, recovery) = Db::open(Path::new(&dir), options).unwrap();
    assert!(!recovery.must_rebuild(), "{recovery:?}");
    let first = db.count(b"a/").unwrap() + 1_000_000 * u64::from(std::process::id());
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let db = db.clone();
            thread::spawn(move || {
                (first + thread..).step_by(THREADS as usize).for_each(|n| pair(&db, n))
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// What is written ahead of the pair must be there whenever the pair is.
fn pair(db: &Db, number: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ahead =
        db.write_ahead(move |tx| tx.put(format!("c/{number}").as_bytes(), b"ahead".to_vec()));
    runtime.block_on(ahead).unwrap();
    db.write_blocking(move |tx| {
        tx.put(format!("a/{number}").as_bytes(), number.to_be_bytes().repeat(10))?;
        tx.put(format!("b/{number}").as_bytes(), number.to_be_bytes().to_vec())?;
        tx.put(b"last", number.to_be_bytes().to_vec())
    })
    .unwrap();
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nacked {number}").unwrap();
}

#[test]
fn killed_at_random_moments_nothing_answered_is_lost_and_nothing_is_half() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked = BTreeSet::new();
    let runs = std::env::var("VARVE_META_KILLS").map_or(RUNS, |runs| runs.parse().unwrap());
    for run in 0..runs {
        // Every third is killed while it opens; the others some time after their first answer.
        let patience = Duration::from_micros((run * 7919) % 40_000);
        acked.extend(run_and_kill(dir.path(), patience, run % 3 == 0));
        check(dir.path(), &acked);
    }
    assert!(acked.len() > 50, "only {} writes in all: the kills came too early", acked.len());
    eprintln!("{runs} kills, {} answered writes, none lost", acked.len());
}

fn run_and_kill(dir: &Path, patience: Duration, at_once: bool) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (first, started) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let numbers = output.lines().map_while(Result::ok).filter_map(|line| {
            let number = line.strip_prefix("acked ")?.parse().ok()?;
            let _ = first.send(());
            Some(number)
        });
        numbers.collect::<Vec<u64>>()
    });
    if !at_once {
        started.recv_timeout(Duration::from_secs(60)).expect("a first answer");
    }
    thread::sleep(patience);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn check(dir: &Path, acked: &BTreeSet<u64>) {
    let (db, recovery) = Db::open(dir, Options::default()).unwrap();
    assert!(!recovery.must_rebuild(), "{recovery:?}");
    for number in acked {
        let value = db.get(format!("a/{number}").as_bytes()).unwrap();
        assert_eq!(value, Some(number.to_be_bytes().repeat(10)), "write {number} was answered");
    }
    let numbers = |prefix: &[u8]| -> Vec<Vec<u8>> {
        db.scan(prefix).unwrap().into_iter().map(|(key, _)| key[2..].to_vec()).collect()
    };
    assert_eq!(numbers(b"a/"), numbers(b"b/"), "an operation was torn");
    let ahead: BTreeSet<_> = numbers(b"c/").into_iter().collect();
    let without = numbers(b"a/").into_iter().filter(|number| !ahead.contains(number)).count();
    assert_eq!(without, 0, "pairs that are without what was written ahead of them");
    // Let go of it as a crash would not: what is checked here must not depend on the close.
    db.close().unwrap();
}
