//! What has broken software of this kind, through the command and a daemon (docs/threats.md has all of it): each
//! input is refused in one line, within a time, and nothing of it is left.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod amplified;
mod archives;
mod bombs;
mod bounds;
mod documents;
mod forge;
mod listed;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use varve_tests::command::Varve;
use varve_tests::container::Told;

/// How long any of it may take on a machine that does other things, too.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs a command that must end in time.
fn ends(command: &mut Command) -> Told {
    let what = format!("{command:?}");
    let output = tempfile::tempfile().unwrap();
    let mut child = command
        .stdout(Stdio::from(output.try_clone().unwrap()))
        .stderr(Stdio::from(output.try_clone().unwrap()))
        .spawn()
        .unwrap();
    let end = Instant::now() + LONGEST;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > end => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("does not end: {what}");
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut said = String::new();
    let mut output = output;
    std::io::Seek::rewind(&mut output).unwrap();
    std::io::Read::read_to_string(&mut output, &mut said).unwrap();
    Told { status: status.code(), out: String::new(), err: said }
}

/// That it fails with one line, quietly asked, that says `why`.
fn refused(command: &mut Command, why: &str) {
    let told = ends(command);
    assert_eq!(told.status, Some(1), "{why}: {}", told.err);
    let lines: Vec<_> = told.err.lines().filter(|line| line.starts_with("varve: ")).collect();
    assert!(lines.len() == 1 && lines[0].contains(why), "no {why:?} in: {}", told.err);
    assert!(!told.err.contains("panicked"), "{}", told.err);
}

/// Images, ingests and snapshots: what a pull that was refused must not leave. Its lease holds what is verified for
/// ten minutes, in case it is begun again.
fn made(varve: &Varve) -> Vec<usize> {
    let lists = [["images", "ls"], ["content", "active"], ["snapshots", "ls"]];
    lists.iter().map(|words| varve.json(words).unwrap().as_array().unwrap().len()).collect()
}

/// Images, ingests, snapshots, leases; and, once what nothing uses is collected, blobs.
fn left(varve: &Varve) -> Vec<usize> {
    varve.run(&["gc"]).unwrap();
    let lists = [
        ["images", "ls"],
        ["content", "active"],
        ["snapshots", "ls"],
        ["leases", "ls"],
        ["content", "ls"],
    ];
    lists.iter().map(|words| varve.json(words).unwrap().as_array().unwrap().len()).collect()
}
