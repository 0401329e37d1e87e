//! Killed with -9 right before each system call that changes what is on the disk, which is after the one before it: a
//! pull is resumed by the next, a removal is done or not, and nothing is left over. strace counts the calls of each
//! thread, and kills at the one that is asked for.
//!
//! `VARVE_STEP_STRIDE` takes only each so many-th of these steps (default 25; 1 takes all).

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};
use varve_tests::fake::Fake;
use varve_tests::peers::have;
use varve_tests::soak;

const LAYERS: usize = 2;
/// Those that make something last, and those that make it seen.
const CALLS: &str = "fsync,fdatasync,syncfs,sync_file_range,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,\
                     ftruncate,linkat,pwrite64";

/// A call, and the how many-th of one thread.
type Step = (String, usize);

#[test]
fn a_pull_that_is_killed_at_any_step_is_resumed() {
    at_every_step(
        "pull",
        |_, _| {},
        |varve, image| {
            varve.run(&["pull", "--quiet", image]).unwrap();
            1
        },
    );
}

#[test]
fn a_removal_that_is_killed_at_any_step_is_done_or_not() {
    let pull = |varve: &Varve, image: &str| drop(varve.run(&["pull", "--quiet", image]).unwrap());
    at_every_step("rmi", pull, |varve, _| varve.run(&["images", "-q"]).unwrap().lines().count());
}

/// After `before`, kills `word` of an image at each step, in a new root each time; `after` answers how many images
/// there must be then.
fn at_every_step(word: &str, before: impl Fn(&Varve, &str), after: impl Fn(&Varve, &str) -> usize) {
    if !have(&["strace"], "killed at every step") {
        return;
    }
    let registry = Fake::start().unwrap();
    registry.push("killed", "1", &soak::image_of(1, LAYERS, 64 << 10, 5));
    let image = format!("{}/killed:1", registry.address());
    let fresh = || {
        let varve = Varve::over(Topology::Embedded, binary().unwrap()).unwrap();
        before(&varve, &image);
        varve
    };
    let steps = steps(&fresh(), &[word, &image]);
    let stride = std::env::var("VARVE_STEP_STRIDE").map_or(25, |stride| stride.parse().unwrap());
    let mut killed = 0;
    for step in steps.iter().step_by(stride) {
        let varve = fresh();
        let trace = ["-e", &format!("trace={}", step.0)].map(str::to_owned);
        let inject = format!("inject={}:signal=KILL:when={}", step.0, step.1);
        let arguments =
            [&trace[..], &["-e".into(), inject, "-o".into(), "/dev/null".into()]].concat();
        killed += usize::from(!traced(&varve, &arguments, &[word, &image]));
        let images = after(&varve, &image);
        soak::settled(&varve, images, LAYERS)
            .unwrap_or_else(|error| panic!("{word} killed before {step:?}: {error:#}"));
    }
    // Which thread does what differs from run to run; yet most of the steps come again.
    assert!(killed > 0, "{word}: no step of {} came again", steps.len());
    eprintln!("{word}: {} steps, {killed} kills", steps.len());
}

/// All steps of a command that nobody kills.
fn steps(varve: &Varve, words: &[&str]) -> Vec<Step> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let to = file.path().to_str().unwrap().to_owned();
    let trace = ["-e".to_owned(), format!("trace={CALLS}"), "-o".to_owned(), to];
    assert!(traced(varve, &trace, words), "{words:?} failed");
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for line in fs::read_to_string(file.path()).unwrap().lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = call.trim_start().split_once('(') {
            *counts.entry((call.to_owned(), thread.to_owned())).or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((call, _), count) in counts {
        let of_one = most.entry(call).or_default();
        *of_one = count.max(*of_one);
    }
    most.into_iter().flat_map(|(call, most)| (1..=most).map(move |n| (call.clone(), n))).collect()
}

/// Runs the command under strace; whether it ended well.
fn traced(varve: &Varve, arguments: &[String], words: &[&str]) -> bool {
    let command = varve.command(words);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq"]).args(arguments).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    let quiet = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().unwrap().success()
}
