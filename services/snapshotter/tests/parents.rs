//! What a layer is laid down on: read once, and the same when it is published.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::time::Duration;

use bytes::Bytes;
use kit::layer::Archive;
use kit::{Room, describe};
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::snapshots::NewSnapshot;
use varve_core::{ChainId, Digest, Labels};

/// Commits, as any client can, a tree of its own by the name of a layer's.
async fn commit_as(room: &Room, chain: ChainId, file: &str) {
    let snapshots = &room.service.snapshots;
    let new = NewSnapshot { key: "own".into(), ..NewSnapshot::default() };
    let mounts = snapshots.prepare(&room.scope, new).await.unwrap();
    std::fs::write(format!("{}/{file}", mounts[0].source), b"own").unwrap();
    snapshots.commit(&room.scope, &chain.to_string(), "own", &Labels::new()).await.unwrap();
}

fn has(tree: &[String], name: &str) -> bool {
    tree.iter().any(|line| line.contains(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_whose_parent_is_made_anew_meanwhile_is_laid_down_on_that() {
    let room = kit::room("native").await.unwrap();
    let base = Archive::new().file("base", 0o644, b"base").finish();
    let upper = Archive::new().file("upper", 0o644, &[7; 2_000_000]).finish();
    let below = describe(&base, None);
    let layer = describe(&upper, Some(below.chain_id()));
    commit_as(&room, below.chain_id(), "stale").await;
    let expected = Some(Digest::of(&upper));
    let open = OpenWriter { ingest: "slow".into(), total: upper.len() as u64, expected };
    let mut writer = room.store.writer(&room.scope, open).await.unwrap();
    writer.write(Bytes::copy_from_slice(&upper[..1_000_000])).await.unwrap();
    let task = room.spawn(layer.clone());
    let copied = |name: &String| {
        let staged = room.temp.path().join("root/staged").join(name);
        staged.join("fs/upper").exists()
    };
    while !room.names("staged").iter().any(copied) {
        assert!(!task.is_finished(), "{:?}", task.await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let parent = below.chain_id().to_string();
    room.service.snapshots.remove(&room.scope, &parent).await.unwrap();
    room.put(&base).await;
    room.unpack(below).await.unwrap();
    writer.write(Bytes::copy_from_slice(&upper[1_000_000..])).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    let chain = task.await.unwrap().unwrap().chain_id;
    let tree = room.tree(chain).await;
    assert!(has(&tree, "base") && has(&tree, "upper") && !has(&tree, "stale"), "{tree:?}");
    room.tidy().await;
}
