//! Processes of the split topology that are stopped and started again while the others live: nothing
//! is lost meanwhile, and soon everybody knows everybody again.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use varve_core::Scope;
use varve_core::images::Images;
use varve_rpc::channel::channel;
use varve_rpc::images::Client;
use varve_tests::cluster::{Process, SERVICES, Topology};
use varve_tests::command::{Varve, binary};
use varve_tests::fake::Fake;
use varve_tests::soak;

const LAYERS: usize = 2;
/// How long a process may take to end: less than what requests are given that do not end.
const ENDED: Duration = Duration::from_secs(8);
/// How long the snapshotter may take until it attends collections again, once the store is back: it
/// tries each second.
const ATTENDED: Duration = Duration::from_secs(6);

/// Blobs and snapshots.
fn everything(varve: &Varve) -> BTreeSet<String> {
    let list = |args: &[&str]| varve.json(args).unwrap().as_array().unwrap().clone();
    let blobs = list(&["content", "ls"]).into_iter().map(|blob| blob["digest"].to_string());
    let snapshots = list(&["snapshots", "ls"]).into_iter().map(|one| one["name"].to_string());
    blobs.chain(snapshots).collect()
}

/// An image that nothing names any more. The first that sees it is the collection to come, or one that an earlier
/// deletion has asked for.
fn litter(varve: &mut Varve, image: &str, kept: &BTreeSet<String>) {
    varve.run(&["pull", "-q", image]).unwrap();
    assert!(everything(varve).len() > kept.len());
    let store = varve.cluster().socket(SERVICES[0]).parse().unwrap();
    let scope = Scope::default();
    let deleted = async { Client::new(channel(&store)).delete(&scope, image).await };
    Runtime::new().unwrap().block_on(deleted).unwrap();
}

/// Collects until nothing but `kept` is left, and asserts that all of that is whenever one has been.
fn collect(varve: &mut Varve, kept: &BTreeSet<String>, what: &str) {
    // The first that answers is the earliest that there can be.
    while !varve.output(&["gc"]).unwrap().status.success() {
        std::thread::sleep(Duration::from_millis(10));
    }
    // The collection needed the store alone; to look at what it left takes all of them.
    varve.wait().unwrap();
    let end = Instant::now() + ATTENDED;
    loop {
        let there = everything(varve);
        assert!(there.is_superset(kept), "{what}: lost {:?}", kept.difference(&there));
        if there == *kept {
            return;
        }
        assert!(Instant::now() < end, "{what}: not collected\n{}", varve.cluster().logs());
        varve.run(&["gc"]).unwrap();
    }
}

fn stop(process: &mut Process) {
    let begun = Instant::now();
    let ended = process.stop();
    assert!(ended.is_some_and(|status| status.success()), "it ended with {ended:?}");
    assert!(begun.elapsed() < ENDED, "it took {:?} to end", begun.elapsed());
}

fn again(end: impl Fn(&mut Process), how: &str) {
    let registry = Fake::start().unwrap();
    let name = |n: u64| format!("{}/image-{n}:1", registry.address());
    for n in 0..2 {
        registry.push(&format!("image-{n}"), "1", &soak::image(n + 1, LAYERS));
    }
    let mut varve = Varve::over(Topology::Split, binary().unwrap()).unwrap();
    varve.run(&["pull", "-q", &name(0)]).unwrap();
    let kept = everything(&varve);
    assert_eq!(kept.len(), 2 * LAYERS + 2, "{kept:?}");
    for (n, service) in SERVICES.iter().enumerate() {
        litter(&mut varve, &name(1), &kept);
        let process = &mut varve.cluster().processes()[n];
        end(process);
        process.start().unwrap();
        collect(&mut varve, &kept, &format!("{service} {how}"));
    }
    soak::settled(&varve, 1, LAYERS).unwrap();
}

#[test]
fn a_collection_right_after_a_process_was_stopped_and_started_keeps_what_is_named() {
    again(stop, "stopped");
}

#[test]
fn a_collection_right_after_a_process_was_killed_and_started_keeps_what_is_named() {
    again(|process| process.kill().unwrap(), "killed");
}
