//! Fifty clients pull one image at once from one daemon: each blob is fetched once, unpacked once.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use varve_registry::testsuite::{Fault, On, Rule};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary, text};
use varve_tests::demo;
use varve_tests::fake::Fake;

const CLIENTS: usize = 50;
const LAYERS: u64 = 3;

fn crowd(topology: Topology) {
    let registry = Fake::start().unwrap();
    registry.push("demo/hello", "1", &demo::image());
    // Slow enough that all of them are there before the first is done.
    registry.faults([Rule::new(On::Blobs, Fault::Slow(64, Duration::from_millis(80)))]);
    let varve = Varve::over(topology, binary().unwrap()).unwrap();
    let image = format!("{}/demo/hello:1", registry.address());
    let pull = || {
        let mut command = varve.command(&["pull", "--quiet", &image]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let clients: Vec<Child> = std::iter::repeat_with(pull).take(CLIENTS).collect();
    for client in clients {
        let output = client.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), format!("{image}\n"));
    }
    for (path, count) in requests_for_blobs(&registry) {
        assert_eq!(count, 1, "{path} was asked for {count} times");
    }
    assert_eq!(directories(&varve), (1..=LAYERS).collect::<Vec<_>>(), "each was unpacked once");
    assert_eq!(varve.json(&["leases", "ls"]).unwrap().as_array().unwrap().len(), 0);
}

fn requests_for_blobs(registry: &Fake) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in registry.requests().into_iter().filter(|it| it.path.contains("/blobs/")) {
        *counts.entry(request.path).or_default() += 1;
    }
    assert_eq!(counts.len(), usize::try_from(LAYERS).unwrap() + 1, "layers and config");
    counts
}

/// The numbers of the snapshots' directories: every unpacking takes a new one.
fn directories(varve: &Varve) -> Vec<u64> {
    let drivers = fs::read_dir(varve.root().join("snapshotters")).unwrap();
    let mut numbers: Vec<u64> = drivers
        .map(|driver| driver.unwrap().path())
        .filter(|driver| driver.is_dir())
        .flat_map(|driver| fs::read_dir(driver.join("snapshots")).unwrap())
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn fifty_clients_of_one_daemon_fetch_and_unpack_each_layer_once() {
    crowd(Topology::Daemon);
}

#[test]
fn fifty_clients_of_four_processes_fetch_and_unpack_each_layer_once() {
    crowd(Topology::Split);
}
