//! The contracts, run on the implementations in memory.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use varve_core::content::Content;
use varve_core::testsuite::contract::{Services, SnapshotsSubject};
use varve_core::testsuite::memory;
use varve_core::{Digest, Kind, Scope};

async fn store() -> (Services, ()) {
    (Services::all(Arc::new(memory::Store::new())), ())
}
varve_core::content_store_contract!(store);

async fn snapshots() -> (SnapshotsSubject, ()) {
    let leases = Arc::new(memory::Store::new());
    let snapshots = Arc::new(memory::Snapshots::new("memory", leases.clone()));
    (SnapshotsSubject::graph_only("memory", snapshots, leases), ())
}
varve_core::snapshots_contract!(snapshots);
varve_core::attendee_contract!(snapshots);

#[tokio::test]
async fn a_follower_of_what_never_comes_gives_up() {
    let store = memory::Store::stalling_after(Duration::from_millis(30));
    let digest = Digest::of(b"never");
    let mut follower = store.follow(&Scope::default(), &digest).await.unwrap();
    assert_eq!(follower.next().await.unwrap_err().kind(), Kind::DeadlineExceeded);
}

/// A promise that no macro lists would be kept by nobody, and nobody would know.
#[test]
fn every_promise_is_listed_in_its_contract() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testsuite/contract");
    let mut promises = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let written: BTreeSet<&str> = text.lines().filter_map(promise).collect();
        let list = text.split_once("contract_tests!(").map_or("", |(_, rest)| rest);
        let list = list.split_once('[').map_or("", |(_, rest)| rest);
        let list = list.split_once(']').map_or("", |(list, _)| list);
        let listed: BTreeSet<&str> =
            list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        assert_eq!(written, listed, "{}", path.display());
        promises += listed.len();
    }
    assert!(promises > 150, "only {promises} promises were found");
}

/// The name of the promise that a line begins.
fn promise(line: &str) -> Option<&str> {
    let (name, arguments) = line.strip_prefix("pub async fn ")?.split_once('(')?;
    arguments.starts_with("s: &S").then_some(name)
}
