//! Writers, followers and collections beside one another, and what goes wrong with ingests.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use varve_content_store::{Config, ContentStore, open};
use varve_core::collect::Collector;
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::images::{Images, Record};
use varve_core::leases::Leases;
use varve_core::{Descriptor, Digest, Kind, Labels, MediaType, ResultExt, Scope};

fn expecting(ingest: &str, digest: Digest) -> OpenWriter {
    OpenWriter { ingest: ingest.into(), expected: Some(digest), total: 0 }
}

/// What a pull does, and then a look at whether all of it is there.
async fn pull(store: &ContentStore, task: u64, round: u64) {
    let id = Leases::create(store, &Scope::default(), "", &Labels::new()).await.unwrap().id;
    let scope = Scope::default().leased(&id);
    // Half of the layers are shared by all tasks, so that they are garbage and needed in turns.
    let layers = [format!("shared {}", round % 3), format!("own {task} {round}")];
    let mut edges = Labels::new();
    for (n, layer) in layers.iter().enumerate() {
        let digest = kit::put(store, &scope, layer.as_bytes(), &[]).await;
        edges.insert(format!("containerd.io/gc.ref.content.l.{n}"), digest.to_string());
    }
    let top = format!("top {task} {round}");
    let digest = kit::put(store, &scope, top.as_bytes(), &[]).await;
    let kind = MediaType::Other("a/b".into());
    let target = Descriptor::new(kind, digest, top.len() as u64);
    let name = format!("image-{task}");
    let content_labels = vec![(digest, edges)];
    store.record(&scope, Record { name: name.clone(), target, content_labels }).await.unwrap();
    Leases::delete(store, &Scope::default(), &id).await.unwrap();
    for bytes in layers.iter().chain([&top]) {
        let digest = Digest::of(bytes.as_bytes());
        let reader = store.reader(&Scope::default(), &digest).await;
        let reader = reader.unwrap_or_else(|error| panic!("{bytes}: {}", error.chain()));
        assert_eq!(reader.read_all(100).await.unwrap(), bytes.as_bytes());
    }
    kit::unname(store, &name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pulls_beside_a_collector_lose_nothing_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = kit::store(dir.path()).await;
    let over = Arc::new(AtomicBool::new(false));
    let collector = tokio::spawn({
        let (store, over) = (Arc::clone(&store), Arc::clone(&over));
        async move {
            let mut collections = 0;
            while !over.load(Ordering::Relaxed) {
                store.collect(false).await.unwrap();
                collections += 1;
            }
            collections
        }
    });
    let tasks: Vec<_> = (0..6)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..15 {
                    pull(&store, task, round).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    assert!(collector.await.unwrap() > 5);
    kit::recounted(&store).await;
    // Every name was removed before it could move, so that none is left dangling.
    assert_eq!(Images::list(&*store, &Scope::default(), &[]).await.unwrap(), []);
    store.collect(false).await.unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("blobs/sha256")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_followers_read_what_one_writer_writes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let digest = Digest::of(&bytes);
    let mut followers = Vec::new();
    for _ in 0..4 {
        let mut follower = store.follow(&scope, &digest).await.unwrap();
        followers.push(tokio::spawn(async move {
            let mut hasher = varve_core::Hasher::new();
            while let Some(bytes) = follower.next().await.unwrap() {
                assert!(bytes.len() <= 1 << 20);
                hasher.update(&bytes);
            }
            hasher.digest()
        }));
    }
    let mut writer = store.writer(&scope, expecting("w", digest)).await.unwrap();
    for piece in bytes.chunks(33_333) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.commit(Commit::default()).await.unwrap();
    for follower in followers {
        assert_eq!(follower.await.unwrap(), digest);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_what_nobody_fetches_is_told_after_the_stall_limit() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { stall_limit: Duration::from_millis(50), ..Config::new(dir.path()) };
    let (store, scope) = (open(config).await.unwrap(), Scope::default());
    let digest = Digest::of(b"abc");
    let mut follower = store.follow(&scope, &digest).await.unwrap();
    assert_eq!(follower.next().await.unwrap_err().kind(), Kind::DeadlineExceeded);
    // The same where a writer went away half-way.
    let mut writer = store.writer(&scope, expecting("w", digest)).await.unwrap();
    writer.write(Bytes::from_static(b"ab")).await.unwrap();
    let mut follower = store.follow(&scope, &digest).await.unwrap();
    assert_eq!(follower.next().await.unwrap().unwrap(), "ab");
    drop(writer);
    assert_eq!(follower.next().await.unwrap_err().kind(), Kind::DeadlineExceeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_nobody_writes_keeps_no_follower_from_the_blob() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { stall_limit: Duration::from_secs(5), ..Config::new(dir.path()) };
    let store = open(config).await.unwrap();
    let (dead, here) = (Scope::of("dead".parse().unwrap()), Scope::default());
    let digest = Digest::of(b"abc");
    let mut writer = store.writer(&dead, expecting("w", digest)).await.unwrap();
    writer.write(Bytes::from_static(b"ab")).await.unwrap();
    let mut begun = store.follow(&here, &digest).await.unwrap();
    assert_eq!(begun.next().await.unwrap().unwrap(), "ab");
    drop(writer);

    let mut follower = store.follow(&here, &digest).await.unwrap();
    let fresh = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(bytes) = follower.next().await.unwrap() {
            all.extend_from_slice(&bytes);
        }
        all
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut writer = store.writer(&here, expecting("w", digest)).await.unwrap();
    writer.write(Bytes::from_static(b"abc")).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    assert_eq!(fresh.await.unwrap(), b"abc");
    // Who has read of the other one is told to begin anew, and not left to wait.
    assert_eq!(begun.next().await.unwrap_err().kind(), Kind::Aborted);
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_followers_that_wait_for_their_turn_hold_little() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let bytes = vec![7; 3 << 20];
    let digest = kit::put(&store, &scope, &bytes, &[]).await;
    let mut follower = store.follow(&scope, &digest).await.unwrap();
    let mut len = follower.next().await.unwrap().unwrap().len();
    assert!(len <= 16 << 10, "{len} bytes");
    while let Some(more) = follower.next().await.unwrap() {
        len += more.len();
    }
    assert_eq!(len, bytes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_writers_than_the_limit_are_refused_and_a_dropped_one_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { max_writers: 2, ..Config::new(dir.path()) };
    let (store, scope) = (open(config).await.unwrap(), Scope::default());
    let named = |name: &str| OpenWriter { ingest: name.into(), ..OpenWriter::default() };
    let one = store.writer(&scope, named("1")).await.unwrap();
    let _two = store.writer(&scope, named("2")).await.unwrap();
    let refused = store.writer(&scope, named("3")).await.err().unwrap();
    assert_eq!(refused.kind(), Kind::Unavailable);
    drop(one);
    assert!(store.writer(&scope, named("3")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_place_of_data_or_of_a_blob_is_never_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let outside = dir.path().join("outside");
    std::fs::write(&outside, "outside").unwrap();
    let named = OpenWriter { ingest: "w".into(), ..OpenWriter::default() };
    drop(store.writer(&scope, named.clone()).await.unwrap());
    let ingest = std::fs::read_dir(dir.path().join("ingest")).unwrap().next().unwrap().unwrap();
    let data = ingest.path().join("data");
    while !data.exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    std::fs::remove_file(&data).unwrap();
    std::os::unix::fs::symlink(&outside, &data).unwrap();
    assert!(store.writer(&scope, named).await.is_err());

    let digest = kit::put(&store, &scope, b"blob", &[]).await;
    let blob = dir.path().join("blobs/sha256").join(digest.hex());
    std::fs::remove_file(&blob).unwrap();
    std::os::unix::fs::symlink(&outside, &blob).unwrap();
    assert!(store.reader(&scope, &digest).await.is_err());
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "outside");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opener_is_told_and_a_closed_store_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    let second = open(Config::new(dir.path())).await.err().unwrap();
    assert_eq!(second.kind(), Kind::Unavailable, "{}", second.chain());
    let named = |name: &str| OpenWriter { ingest: name.into(), ..OpenWriter::default() };
    let mut writer = store.writer(&scope, named("1")).await.unwrap();
    writer.write(Bytes::from_static(b"late")).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(writer.commit(Commit::default()).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(store.writer(&scope, named("2")).await.err().unwrap().kind(), Kind::Unavailable);
    let later = kit::store(dir.path()).await;
    assert_eq!(later.status(&scope, "1").await.unwrap().offset, 4);
    assert_eq!(Content::list(&*later, &scope, &[]).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_given_up_at_any_moment_leaves_a_ref_that_can_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let (store, scope) = (kit::store(dir.path()).await, Scope::default());
    for round in 0..200 {
        let bytes = Bytes::from(format!("round {round}"));
        let digest = Digest::of(&bytes);
        let mut writer = store.writer(&scope, expecting("w", digest)).await.unwrap();
        writer.write(bytes.clone()).await.unwrap();
        let a_while = async {
            for _ in 0..round * 5 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = writer.commit(Commit::default()) => {}
            () = a_while => {}
        }
        drop(writer);
        finish(&store, &scope, &bytes).await;
        let reader = store.reader(&scope, &digest).await.unwrap();
        assert_eq!(reader.read_at(0, bytes.len()).await.unwrap(), bytes, "{round}");
    }
}

/// Brings the rest of a blob, however far somebody else was.
async fn finish(store: &ContentStore, scope: &Scope, bytes: &Bytes) {
    let digest = Digest::of(bytes);
    loop {
        match store.writer(scope, expecting("w", digest)).await {
            Err(error) if error.kind() == Kind::AlreadyExists => return,
            Err(error) if error.kind() == Kind::Unavailable => tokio::task::yield_now().await,
            Err(error) => panic!("{}", error.chain()),
            Ok(mut writer) => {
                let at = writer.status().offset as usize;
                writer.write(bytes.slice(at..)).await.unwrap();
                writer.commit(Commit::default()).await.unless_exists().unwrap();
                return;
            }
        }
    }
}
