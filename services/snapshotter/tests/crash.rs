//! Killed at any moment: the next open finds whole snapshots, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kit::Room;
use kit::layer::Archive;
use varve_core::Scope;
use varve_core::snapshots::NewSnapshot;
use varve_core::testsuite::memory::Store;

const RUNS: u64 = 12;
const ROOT: &str = "VARVE_TEST_CRASH_ROOT";
const DRIVER: &str = "VARVE_TEST_CRASH_DRIVER";

/// Layers of one image; the last are odd enough to be applied in order.
fn image(number: usize) -> Vec<Vec<u8>> {
    let mut layers = Vec::new();
    for at in 0..4 {
        let mut archive = Archive::new();
        for file in 0..40 {
            let body = format!("{number} {at} {file}").repeat(100);
            archive = archive.file(&format!("d{at}/f{file}"), 0o644, body.as_bytes());
        }
        layers.push(archive.link(&format!("l{at}"), &format!("d{at}")).finish());
    }
    layers.push(Archive::new().file("l0/through", 0o644, b"x").whiteout("d1/f1").finish());
    layers
}

/// Not a test of its own: what is killed. Unpacks, prepares, commits and removes for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_that_is_killed() {
    let (Ok(root), Ok(driver)) = (std::env::var(ROOT), std::env::var(DRIVER)) else { return };
    let store = Arc::new(Store::new());
    let service = kit::open(&driver, Path::new(&root), &store, |_| {}).await;
    // Its guard is killed too.
    let temp = tempfile::tempdir_in(&root).unwrap();
    let room = Room { service, store, scope: Scope::default(), temp };
    for number in 0.. {
        let chain = room.stack_at_once(&image(number % 3)).await.unwrap();
        let snapshots = &room.service.snapshots;
        let parent = Some(chain[4].to_string());
        let (key, name) = (format!("key {number}"), format!("name {number}"));
        let new = NewSnapshot { key: key.clone(), parent, ..NewSnapshot::default() };
        let _ = snapshots.prepare(&room.scope, new).await;
        let _ = snapshots.commit(&room.scope, &name, &key, &Default::default()).await;
        let _ = snapshots.remove(&room.scope, &name).await;
        for chain in chain.iter().rev() {
            let _ = snapshots.remove(&room.scope, &chain.to_string()).await;
        }
    }
}

async fn kill_and_open(driver: &str) {
    let temp = tempfile::tempdir().unwrap();
    if driver == "overlayfs" && !kit::overlay_works(&temp.path().join("root")) {
        return;
    }
    let mut whole = Vec::new();
    if let Some(room) = kit::room(driver).await {
        for number in 0..3 {
            let chain = room.stack(&image(number)).await.unwrap();
            for chain in chain {
                whole.push((chain, room.tree(chain).await));
            }
        }
    }
    let mut seen = 0;
    for run in 0..RUNS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_process_that_is_killed", "--nocapture"])
            .env(ROOT, temp.path())
            .env(DRIVER, driver)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(150 + run * 37));
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Arc::new(Store::new());
        let service = kit::open(driver, temp.path(), &store, |_| {}).await;
        // A temporary directory's guard must not take it away after one run.
        let at = tempfile::tempdir_in(temp.path()).unwrap();
        std::os::unix::fs::symlink(temp.path().join("root"), at.path().join("root")).unwrap();
        let room = Room { service, store, scope: Scope::default(), temp: at };
        room.tidy().await;
        let left = room.service.snapshots.list(&room.scope, &[]).await.unwrap();
        assert_eq!(left.len(), room.names("snapshots").len(), "a directory for each, and no other");
        for (chain, tree) in &whole {
            if left.iter().any(|info| info.name == chain.to_string()) {
                assert_eq!(&room.tree(*chain).await, tree, "{chain} is whole");
                seen += 1;
            }
        }
        room.service.close().await.unwrap();
    }
    assert!(seen > 0, "no run left a snapshot to look at");
    eprintln!("{driver}: {RUNS} kills, {seen} snapshots found whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_leaves_whole_overlayfs_snapshots_and_nothing_else() {
    kill_and_open("overlayfs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_leaves_whole_native_snapshots_and_nothing_else() {
    kill_and_open("native").await;
}
