//! Layers that meet others on the way: a parent that is made anew, a chain id that is claimed, a blob that comes slowly.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kit::layer::Archive;
use kit::{Room, describe};
use varve_core::content::{Commit, Content, OpenWriter, Writer};
use varve_core::snapshots::NewSnapshot;
use varve_core::testsuite::memory::Store;
use varve_core::unpack::Layer;
use varve_core::{ChainId, Descriptor, Digest, Kind, Labels, Scope};

/// Commits, as any client can, a tree of its own by the name of a layer's.
async fn commit_as(room: &Room, chain: ChainId, file: &str) {
    let snapshots = &room.service.snapshots;
    let new = NewSnapshot { key: "own".into(), ..NewSnapshot::default() };
    let mounts = snapshots.prepare(&room.scope, new).await.unwrap();
    std::fs::write(format!("{}/{file}", mounts[0].source), b"own").unwrap();
    snapshots.commit(&room.scope, &chain.to_string(), "own", &Labels::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_claims_a_known_layer_for_a_blob_of_its_own_keeps_nobody_waiting() {
    let room = kit::room("native").await.unwrap();
    let right = Archive::new().file("right", 0o644, b"right").finish();
    let other = Archive::new().file("other", 0o644, &[7; 2_000_000]).finish();
    let known = describe(&right, None);
    let claimed = Layer { diff_id: known.diff_id, ..describe(&other, None) };
    let writer = half(&room, &other).await;
    let slow = room.spawn(claimed);
    staged(&room).await;
    room.put(&right).await;
    let unpacked = tokio::time::timeout(Duration::from_secs(10), room.unpack(known.clone())).await;
    assert!(!unpacked.expect("it waits for the other").unwrap().reused);
    rest(writer, &other).await;
    assert_eq!(slow.await.unwrap().unwrap_err().kind(), Kind::FailedPrecondition);
    assert!(has(&room.tree(known.chain_id()).await, "right"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_that_comes_slowly_keeps_no_place_to_extract() {
    let temp = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::new());
    let service = kit::open("native", temp.path(), &store, |config| config.extractions = 1).await;
    let room = Room { service, store, scope: Scope::default(), temp };
    let slow = Archive::new().file("slow", 0o644, &[7; 2_000_000]).finish();
    let quick = Archive::new().file("quick", 0o644, b"quick").finish();
    let writer = half(&room, &slow).await;
    let first = room.spawn(describe(&slow, None));
    staged(&room).await;
    let second = tokio::time::timeout(Duration::from_secs(20), room.stack(&[quick])).await;
    second.expect("it waits for the other").unwrap();
    assert!(!first.is_finished());
    rest(writer, &slow).await;
    let tree = room.tree(first.await.unwrap().unwrap().chain_id).await;
    assert!(has(&tree, "slow"), "{tree:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_on_a_clients_own_commit_is_for_no_other_namespace() {
    let room = kit::room("native").await.unwrap();
    let tars = ["base", "upper"].map(|name| Archive::new().file(name, 0o644, b"x").finish());
    let below = describe(&tars[0], None);
    commit_as(&room, below.chain_id(), "own").await;
    room.put(&tars[1]).await;
    room.unpack(describe(&tars[1], Some(below.chain_id()))).await.unwrap();
    let Room { service, store, temp, .. } = room;
    let scope = Scope::of("other".parse().unwrap());
    let other = Room { service, store, scope, temp };
    let top = other.stack(&tars).await.unwrap()[1];
    let tree = other.tree(top).await;
    assert!(has(&tree, "base") && has(&tree, "upper") && !has(&tree, "own"), "{tree:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_blobs_of_one_layer_make_one_snapshot() {
    let room = kit::room("native").await.unwrap();
    let tar = Archive::new().file("f", 0o644, &[7; 2_000_000]).finish();
    let plain = describe(&tar, None);
    let packed = zstd::encode_all(&tar[..], 0).unwrap();
    let kind = "application/vnd.oci.image.layer.v1.tar+zstd";
    let blob = Descriptor::new(kind.into(), Digest::of(&packed), packed.len() as u64);
    let other = Layer { blob, ..plain.clone() };
    let writer = half(&room, &tar).await;
    let slow = room.spawn(plain);
    staged(&room).await;
    room.put(&packed).await;
    assert!(!room.unpack(other).await.unwrap().reused);
    rest(writer, &tar).await;
    assert!(slow.await.unwrap().unwrap().reused, "what is there is used again");
    room.tidy().await;
    assert_eq!(room.names("snapshots").len(), 1);
}

/// An ingest of which the first million bytes are here.
async fn half(room: &Room, bytes: &[u8]) -> Box<dyn Writer> {
    let expected = Some(Digest::of(bytes));
    let open = OpenWriter { ingest: "slow".into(), total: bytes.len() as u64, expected };
    let mut writer = room.store.writer(&room.scope, open).await.unwrap();
    writer.write(Bytes::copy_from_slice(&bytes[..1_000_000])).await.unwrap();
    writer
}

/// The rest of it.
async fn rest(mut writer: Box<dyn Writer>, bytes: &[u8]) {
    writer.write(Bytes::copy_from_slice(&bytes[1_000_000..])).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
}

async fn staged(room: &Room) {
    while room.names("staged").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
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
    let writer = half(&room, &upper).await;
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
    rest(writer, &upper).await;
    let chain = task.await.unwrap().unwrap().chain_id;
    let tree = room.tree(chain).await;
    assert!(has(&tree, "base") && has(&tree, "upper") && !has(&tree, "stale"), "{tree:?}");
    room.tidy().await;
}
