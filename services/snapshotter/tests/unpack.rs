//! Unpacking and its faults: once, whole, verified, or not at all.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::time::Duration;

use bytes::Bytes;
use kit::layer::Archive;
use kit::{Room, describe};
use varve_core::content::{Commit, Content, OpenWriter, Writer};
use varve_core::leases::{Leases, Resource};
use varve_core::snapshots::{Kind as SnapshotKind, NewSnapshot};
use varve_core::unpack::Progress;
use varve_core::{DiffId, Digest, Kind, Labels, Mount, Scope, labels};

const DRIVERS: [&str; 2] = ["overlayfs", "native"];

fn small(text: &str) -> Vec<u8> {
    Archive::new().dir("d/", 0o755).file("d/f", 0o644, text.as_bytes()).finish()
}

/// Large enough to be cut in the middle.
fn large() -> Vec<u8> {
    let mut archive = Archive::new();
    for at in 0..300 {
        archive = archive.file(&format!("f{at}"), 0o644, &vec![at as u8; 20_000]);
    }
    archive.finish()
}

async fn rooms() -> Vec<Room> {
    let mut rooms = Vec::new();
    for driver in DRIVERS {
        rooms.extend(kit::room(driver).await);
    }
    rooms
}

async fn ingest(room: &Room, bytes: &[u8]) -> Box<dyn Writer> {
    let expected = Some(Digest::of(bytes));
    let open = OpenWriter { ingest: "slow".into(), total: bytes.len() as u64, expected };
    room.store.writer(&room.scope, open).await.unwrap()
}

fn some(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_unpacks_at_once_unpack_once() {
    for room in rooms().await {
        let tar = large();
        room.put(&tar).await;
        let tasks: Vec<_> = (0..4).map(|_| room.spawn(describe(&tar, None))).collect();
        let mut anew = 0;
        for task in tasks {
            anew += usize::from(!task.await.unwrap().unwrap().reused);
        }
        assert_eq!((anew, room.names("snapshots").len()), (1, 1), "{}", room.service.name);
        room.tidy().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpack_follows_a_blob_that_still_arrives_and_labels_it() {
    for room in rooms().await {
        let (tar, layer) = (large(), describe(&large(), None));
        let mut writer = ingest(&room, &tar).await;
        let task = room.spawn(layer.clone());
        for piece in tar.chunks(700_000) {
            writer.write(some(piece)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(room.names("snapshots").is_empty(), "nothing is published before it is verified");
        writer.commit(Commit::default()).await.unwrap();
        let unpacked = task.await.unwrap().unwrap();
        assert!(!unpacked.reused && unpacked.usage.size > 300 * 20_000, "{unpacked:?}");
        let info = room.store.info(&room.scope, &layer.blob.digest).await.unwrap();
        assert_eq!(info.labels[labels::UNCOMPRESSED], layer.diff_id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_ingest_is_staged_anew() {
    for room in rooms().await {
        let tar = large();
        let mut writer = ingest(&room, &tar).await;
        let task = room.spawn(describe(&tar, None));
        for _ in 0..3 {
            // Wrong bytes, which a fetcher would take back.
            writer.write(some(&vec![b'x'; 100_000])).await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
            writer.truncate(0).await.unwrap();
        }
        writer.write(some(&tar)).await.unwrap();
        writer.commit(Commit::default()).await.unwrap();
        let chain = task.await.unwrap().unwrap().chain_id;
        assert_eq!(room.tree(chain).await.len(), 301);
        room.tidy().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_diff_id_never_publishes() {
    for room in rooms().await {
        let base = room.stack(&[small("base")]).await.unwrap()[0];
        for parent in [None, Some(base)] {
            let tar = small("right");
            room.put(&tar).await;
            let mut layer = describe(&tar, parent);
            layer.diff_id = DiffId(Digest::of(b"wrong"));
            let error = room.unpack(layer.clone()).await.unwrap_err();
            assert_eq!(error.kind(), Kind::FailedPrecondition);
            let said = error.chain();
            assert!(said.contains(&Digest::of(b"wrong").to_string()), "{said}");
            assert!(said.contains(&Digest::of(&tar).to_string()), "{said}");
            let key = layer.chain_id().to_string();
            let stat = room.service.snapshots.stat(&room.scope, &key).await;
            assert_eq!(stat.unwrap_err().kind(), Kind::NotFound);
        }
        room.tidy().await;
        assert_eq!(room.names("snapshots").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_unpack_leaves_nothing() {
    for room in rooms().await {
        let tar = large();
        let mut writer = ingest(&room, &tar).await;
        writer.write(some(&tar[..tar.len() / 2])).await.unwrap();
        let task = room.spawn(describe(&tar, None));
        while room.names("staged").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        task.abort();
        assert!(task.await.is_err());
        room.tidy().await;
        assert!(room.names("snapshots").is_empty());
        // And the next one is not in its way.
        writer.write(some(&tar[tar.len() / 2..])).await.unwrap();
        writer.commit(Commit::default()).await.unwrap();
        assert!(!room.unpack(describe(&tar, None)).await.unwrap().reused);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_refused_leaves_nothing() {
    for room in rooms().await {
        let tar = b"this is no tar at all, and longer than nothing".repeat(40);
        room.put(&tar).await;
        let error = room.unpack(describe(&tar, None)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{}", error.chain());
        room.tidy().await;
        assert!(room.names("snapshots").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_whose_parent_nobody_unpacks_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(varve_core::testsuite::memory::Store::new());
    let change = |c: &mut varve_snapshotter::Config| c.parent_patience = Duration::from_millis(50);
    let service = kit::open("native", temp.path(), &store, change).await;
    let (scope, tar) = (Scope::default(), small("x"));
    kit::put(&store, &scope, &tar).await;
    let parent = describe(&small("never"), None).chain_id();
    let layer = describe(&tar, Some(parent));
    let error = service.unpacker.unpack(&scope, layer, Progress::ignored()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert!(error.chain().contains(&parent.to_string()), "{}", error.chain());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_share_a_verified_tree_and_part_from_it_alone() {
    for room in rooms().await {
        let tars = [small("one"), small("two")];
        let chain = room.stack(&tars).await.unwrap();
        let there = Scope::of("other".parse().unwrap());
        // The upper one first: it waits for its parent, in this namespace too.
        let upper = describe(&tars[1], Some(chain[0]));
        let unpacker = room.service.unpacker.clone();
        let (scope, layer) = (there.clone(), upper);
        let upper =
            tokio::spawn(async move { unpacker.unpack(&scope, layer, Progress::ignored()).await });
        let lower = describe(&tars[0], None);
        let lower = room.service.unpacker.unpack(&there, lower, Progress::ignored()).await.unwrap();
        assert!(lower.reused && upper.await.unwrap().unwrap().reused);
        assert_eq!(room.names("snapshots").len(), 2);
        for chain in chain.iter().rev() {
            let key = chain.to_string();
            room.service.snapshots.remove(&room.scope, &key).await.unwrap();
        }
        room.tidy().await;
        assert_eq!(room.names("snapshots").len(), 2);
        for chain in chain.iter().rev() {
            room.service.snapshots.remove(&there, &chain.to_string()).await.unwrap();
        }
        room.tidy().await;
        assert!(room.names("snapshots").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unpacked_or_used_again_under_a_lease_is_held_by_it() {
    for room in rooms().await {
        let tar = small("leased");
        room.put(&tar).await;
        for again in [false, true] {
            let lease = room.store.create(&room.scope, "", &Labels::new()).await.unwrap().id;
            let scope = room.scope.leased(&lease);
            let layer = describe(&tar, None);
            let unpacked =
                room.service.unpacker.unpack(&scope, layer, Progress::ignored()).await.unwrap();
            assert_eq!(unpacked.reused, again);
            let held = room.store.list_resources(&room.scope, &lease).await.unwrap();
            let key = unpacked.chain_id.to_string();
            assert!(held.contains(&Resource::snapshot(room.service.name, &key)), "{held:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_used_again_outlives_a_collection_that_goes_on() {
    for room in rooms().await {
        let tar = small("used again");
        let chain = room.stack(std::slice::from_ref(&tar)).await.unwrap()[0];
        let doomed = vec![(room.scope.namespace.clone(), chain.to_string())];
        let frozen = room.service.attendee.freeze().await.unwrap();
        assert!(room.unpack(describe(&tar, None)).await.unwrap().reused);
        let freed = room.service.attendee.remove(frozen.generation, doomed.clone()).await.unwrap();
        assert_eq!((freed, room.names("snapshots").len()), (0, 1));
        let frozen = room.service.attendee.freeze().await.unwrap();
        let freed = room.service.attendee.remove(frozen.generation, doomed).await.unwrap();
        assert!(freed > 0);
        assert!(room.names("snapshots").is_empty() && room.names("trash").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_mounts_of_an_active_snapshot_are_applied_to() {
    for room in rooms().await {
        let tar = small("applied");
        room.put(&tar).await;
        let blob = describe(&tar, None).blob;
        let outside = tempfile::tempdir().unwrap();
        let (snapshots, diff) = (&room.service.snapshots, &room.service.diff);
        let chain = room.stack(&[small("below")]).await.unwrap()[0];
        let viewed = room.view("view", chain).await;
        let parent = Some(chain.to_string());
        let new = NewSnapshot { key: "a".into(), parent, ..NewSnapshot::default() };
        let own = snapshots.prepare(&room.scope, new).await.unwrap();
        let bind = |path: String| vec![Mount::bind(path, "rw")];
        let inside = format!("{}/root/snapshots/1/fs", room.temp.path().display());
        let mut readable = own.clone();
        readable[0].options.push("ro".into());
        for bad in [
            vec![],
            bind(outside.path().display().to_string()),
            bind(inside.clone()),
            bind(format!("{inside}/../../1/fs")),
            bind("/".into()),
            viewed,
            readable,
            [own.clone(), own.clone()].concat(),
        ] {
            let error = diff.apply(&room.scope, &blob, &bad).await.unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidArgument, "{bad:?}");
        }
        let other = Scope::of("other".parse().unwrap());
        kit::put(&room.store, &other, &tar).await;
        assert!(diff.apply(&other, &blob, &own).await.is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
        let applied = diff.apply(&room.scope, &blob, &own).await.unwrap();
        assert_eq!(applied.digest, Digest::of(&tar));
        let missing = describe(&small("not stored"), None).blob;
        let error = diff.apply(&room.scope, &missing, &own).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_another_boot_only_synced_trees_are_left() {
    for room in rooms().await {
        let Room { service, store, temp, scope } = room;
        let name = service.name;
        service.close().await.unwrap();
        let boot = |id: &'static str| {
            move |config: &mut varve_snapshotter::Config| {
                config.boot_id = Some(id.into());
            }
        };
        let service = kit::open(name, temp.path(), &store, boot("one")).await;
        let room = Room { service, store, temp, scope };
        let kept = room.stack(&[small("synced")]).await.unwrap()[0];
        room.service.sync().await.unwrap();
        let lost = room.stack(&[small("not synced"), small("on it")]).await.unwrap();
        for (key, parent, mounted) in [("v1", kept, "one"), ("v2", kept, ""), ("v3", lost[0], "")] {
            let label = (labels::MOUNT_BOOT.to_owned(), mounted.to_owned());
            let labels = (!mounted.is_empty()).then_some(label).into_iter().collect();
            let new = NewSnapshot { key: key.into(), parent: Some(parent.to_string()), labels };
            room.service.snapshots.view(&room.scope, new).await.unwrap();
        }
        // Somebody's work on a tree that will be lost.
        let parent = Some(lost[1].to_string());
        let new = NewSnapshot { key: "work".into(), parent, labels: Labels::new() };
        let mounts = room.service.snapshots.prepare(&room.scope, new).await.unwrap();
        let path = mounts[0].option("upperdir").unwrap_or(&mounts[0].source);
        std::fs::write(format!("{path}/mine"), b"work").unwrap();
        room.service.close().await.unwrap();
        // The same boot: all is there.
        let again = kit::open(name, room.temp.path(), &room.store, boot("one")).await;
        assert_eq!(again.snapshots.list(&room.scope, &[]).await.unwrap().len(), 7);
        again.close().await.unwrap();
        let service = kit::open(name, room.temp.path(), &room.store, boot("two")).await;
        let left = service.snapshots.list(&room.scope, &[]).await.unwrap();
        let left: Vec<_> = left.iter().map(|info| (info.name.clone(), info.kind)).collect();
        let wanted =
            [(kept.to_string(), SnapshotKind::Committed), ("v2".into(), SnapshotKind::View)];
        assert_eq!(left, wanted);
        let room = Room { service, ..room };
        room.tidy().await;
        assert_eq!(room.names("snapshots").len(), 2);
        let [kept] = &room.names("lost")[..] else { panic!("{:?}", room.names("lost")) };
        let kept = room.temp.path().join("root/lost").join(kept).join("fs/mine");
        assert_eq!(std::fs::read(kept).unwrap(), b"work");
        // And what was dropped can be unpacked again.
        assert!(!room.unpack(describe(&small("not synced"), None)).await.unwrap().reused);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_aside_stays_however_often_the_power_goes() {
    for room in rooms().await {
        let Room { service, store, mut temp, scope } = room;
        let name = service.name;
        service.close().await.unwrap();
        let cuts = ["one", "two", "three"];
        for cut in cuts {
            let boot = |id: String| {
                move |config: &mut varve_snapshotter::Config| config.boot_id = Some(id)
            };
            let service = kit::open(name, temp.path(), &store, boot(cut.into())).await;
            let room = Room { service, store: store.clone(), temp, scope: scope.clone() };
            let parent = Some(room.stack(&[small(cut)]).await.unwrap()[0].to_string());
            let new = NewSnapshot { key: "work".into(), parent, labels: Labels::new() };
            let mounts = room.service.snapshots.prepare(&room.scope, new).await.unwrap();
            let path = mounts[0].option("upperdir").unwrap_or(&mounts[0].source);
            std::fs::write(format!("{path}/mine"), cut).unwrap();
            room.service.close().await.unwrap();
            // The power goes; what is opened then has nothing, and begins to count anew.
            temp = room.temp;
            for _ in 0..2 {
                let after =
                    kit::open(name, temp.path(), &store, boot(format!("after {cut}"))).await;
                assert!(after.snapshots.list(&scope, &[]).await.unwrap().is_empty());
                after.close().await.unwrap();
            }
        }
        let lost = temp.path().join("root/lost");
        let mut kept: Vec<String> = std::fs::read_dir(lost)
            .unwrap()
            .map(|dir| std::fs::read_to_string(dir.unwrap().path().join("fs/mine")).unwrap())
            .collect();
        kept.sort_unstable();
        assert_eq!(kept, ["one", "three", "two"]);
    }
}
