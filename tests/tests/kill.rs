//! Killed with -9 at random moments: the next pull resumes, ends right, and leaves nothing over. A load that is
//! killed, with which nobody goes on, leaves nothing either.
//!
//! `VARVE_KILL_RUNS` sets how many pulls are killed (default 20).

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use varve_registry::testsuite::{Fault, On, Rule};
use varve_tests::bundle;
use varve_tests::command::Varve;
use varve_tests::container::until;
use varve_tests::fake::Fake;
use varve_tests::soak::{self, Random};

const LAYERS: usize = 4;

#[test]
fn a_pull_killed_at_any_moment_is_resumed_and_leaves_nothing_over() {
    let runs: u64 =
        std::env::var("VARVE_KILL_RUNS").map_or(20, |runs| runs.parse().expect("a count of runs"));
    let registry = Fake::start().unwrap();
    registry.push("killed", "1", &soak::image(1, LAYERS));
    // Slow enough that a kill falls into every stage of a download.
    let pace = Fault::Slow(16 << 10, Duration::from_millis(2));
    registry.faults([Rule::new(On::Blobs, pace)]);
    let name = format!("{}/killed:1", registry.address());
    let whole = undisturbed(&name);
    let mut random = Random::new(runs);
    let mut resumed = 0;
    for run in 0..runs {
        let varve = Varve::new().unwrap();
        for _ in 0..=run % 3 {
            kill_after(&varve, &name, random.moment(whole));
        }
        let before = registry.requests().len();
        varve.run(&["pull", &name]).unwrap_or_else(|error| panic!("run {run}: {error:#}"));
        resumed += registry.requests()[before..].iter().filter(|r| r.range.is_some()).count();
        soak::settled(&varve, 1, LAYERS).unwrap_or_else(|error| panic!("run {run}: {error:#}"));
    }
    assert!(resumed > 0, "{runs} kills, and no download was resumed by Range");
    eprintln!("{runs} runs, {resumed} downloads resumed by Range");
}

/// How long a pull takes that nobody kills.
fn undisturbed(name: &str) -> Duration {
    let varve = Varve::new().unwrap();
    let begun = Instant::now();
    varve.run(&["pull", name]).unwrap();
    let whole = begun.elapsed();
    soak::settled(&varve, 1, LAYERS).unwrap();
    whole
}

fn kill_after(varve: &Varve, name: &str, time: Duration) {
    let mut child =
        varve.command(&["pull", name]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_a_killed_load_has_brought_goes_with_the_next_collection() {
    let varve = Varve::new().unwrap();
    let mut load = half_a_load(&varve);
    load.kill().unwrap();
    load.wait().unwrap();
    assert_eq!(count(&varve, &["leases", "ls"]), 1, "nobody has looked yet");
    soak::settled(&varve, 0, 0).unwrap();
}

#[test]
fn an_interrupted_load_takes_its_lease_with_it() {
    let varve = Varve::new().unwrap();
    let mut load = half_a_load(&varve);
    kill_process(Pid::from_child(&load), Signal::INT).unwrap();
    assert_eq!(load.wait().unwrap().code(), Some(130));
    assert_eq!(count(&varve, &["leases", "ls"]), 0);
    assert_eq!(count(&varve, &["content", "active"]), 0);
    soak::settled(&varve, 0, 0).unwrap();
}

/// A load that has had half of its archive, and waits for the rest.
fn half_a_load(varve: &Varve) -> Child {
    let archive = bundle::layout(&soak::image(2, 2), "half/load:1").finish();
    let mut command = varve.command(&["load", "--quiet"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut load = command.spawn().unwrap();
    load.stdin.as_mut().unwrap().write_all(&archive[..archive.len() / 2]).unwrap();
    until("the load writes a blob", || Ok(count(varve, &["content", "active"]) > 0)).unwrap();
    load
}

fn count(varve: &Varve, words: &[&str]) -> usize {
    varve.json(words).unwrap().as_array().unwrap().len()
}
