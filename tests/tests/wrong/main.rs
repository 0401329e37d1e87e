//! Hundreds of commands that cannot work: each says why and what to do, in one line, and changes nothing. In every
//! topology.
//!
//! The commands are in commands.txt, a section a test: each has a root of its own.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod bench;
mod broken;
mod judge;
mod table;

use std::time::Duration;

use varve_tests::cluster::Topology;

use bench::Bench;

/// How long a command may take until it gives up, on a machine that does other things, too.
const LONGEST: Duration = Duration::from_secs(60);

/// Runs a section, and tells of all commands that do not fail as they should.
fn section(title: &str) {
    let bench = Bench::new().unwrap();
    let before = bench.fingerprint().unwrap();
    let mut wrong = Vec::new();
    let commands = table::section(title);
    assert!(!commands.is_empty(), "there is no section {title}");
    for line in &commands {
        let (outcome, took) = bench.run(line).unwrap();
        let mut faults = judge::faults(&outcome);
        if took > LONGEST {
            faults.push("it took too long");
        }
        if !faults.is_empty() {
            wrong.push(format!("{line}: {}\n{outcome:?}", faults.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), commands.len(), wrong.join("\n"));
    let after = bench.fingerprint().unwrap();
    let changed: Vec<&String> = before.symmetric_difference(&after).collect();
    assert!(changed.is_empty(), "something changed: {changed:#?}");
}

#[test]
fn what_cannot_be_understood() {
    section("What cannot be understood");
}

#[test]
fn what_is_not_here() {
    section("What is not here");
}

#[test]
fn files_that_are_not_what_they_should_be() {
    section("Files that are not what they should be");
}

#[test]
fn registries_that_are_not_there_or_say_no() {
    section("Registries that are not there, or say no");
}

#[test]
fn services_that_are_elsewhere() {
    // Those of another topology have their address already.
    if Topology::from_env().unwrap() == Topology::Embedded {
        section("Services that are elsewhere");
    }
}

#[test]
fn there_are_more_than_two_hundred() {
    assert!(table::all().len() > 200, "{}", table::all().len());
}
