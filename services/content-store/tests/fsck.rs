//! Looks at a store that is damaged, at one that others work in, and at a pace.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use varve_content_store::{ContentStore, Scrub};
use varve_core::content::{Content, OpenWriter};
use varve_core::fsck::{Depth, Fault, Fsck, How, Report};
use varve_core::leases::Leases;
use varve_core::unpack::Progress;
use varve_core::{Digest, Kind, Labels, ResultExt, Scope};
use varve_meta::{Db, Options};

async fn look(store: &ContentStore, depth: Depth, repair: bool) -> Report {
    let how = How { depth, repair, bytes_per_second: 0 };
    store.fsck(how, Progress::ignored()).await.unwrap()
}

fn kinds(report: &Report) -> Vec<(Fault, String)> {
    report.findings.iter().map(|it| (it.fault, it.noun.clone())).collect()
}

fn file(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join("blobs/sha256").join(digest.hex())
}

/// Other bytes; the time of the last write stays.
fn rot(path: &Path) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scrub_found_is_nobodys_in_any_namespace_until_it_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = kit::store(dir.path()).await;
    let (one, other) = (Scope::default(), Scope::of("other".parse().unwrap()));
    let digest = kit::put(&store, &one, b"some bytes", &[("a", "b")]).await;
    kit::put(&store, &other, b"some bytes", &[]).await;
    rot(&file(dir.path(), &digest));
    let report = look(&store, Depth::Scrub, false).await;
    assert_eq!(kinds(&report), [(Fault::Flipped, digest.to_string())]);
    for scope in [&one, &other] {
        let error = store.reader(scope, &digest).await.err().unwrap();
        assert_eq!(error.kind(), Kind::DataLoss);
    }
    kit::put(&store, &other, b"some bytes", &[]).await;
    for scope in [&one, &other] {
        let bytes = store.reader(scope, &digest).await.unwrap().read_all(100).await.unwrap();
        assert_eq!(bytes, "some bytes");
    }
    assert_eq!(store.info(&one, &digest).await.unwrap().labels, kit::labels(&[("a", "b")]));
    assert_eq!(kinds(&look(&store, Depth::Full, false).await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_was_touched_is_sound_and_known_to_be_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = kit::store(dir.path()).await;
    let scope = Scope::default();
    let digest = kit::put(&store, &scope, &[7; 100_000], &[]).await;
    let touched = fs::File::open(file(dir.path(), &digest)).unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let before = look(&store, Depth::Quick, false).await;
    assert_eq!((kinds(&before), before.hashed), (vec![], 100_000));
    let after = look(&store, Depth::Quick, false).await;
    assert_eq!((kinds(&after), after.hashed), (vec![], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_note_of_who_has_a_blob_keeps_nobody_from_it_and_hides_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let scope = Scope::default();
    let store = kit::store(dir.path()).await;
    let digest = kit::put(&store, &scope, b"layer", &[]).await;
    store.close().await.unwrap();
    drop(store);
    let (db, _) = Db::open(&dir.path().join("meta"), Options::default()).unwrap();
    let holder = format!("holder/{digest}/default").into_bytes();
    db.write_blocking(move |tx| tx.delete(&holder)).unwrap();
    db.close().unwrap();
    drop(db);

    let store = kit::store(dir.path()).await;
    let mut follower = store.follow(&scope, &digest).await.unwrap();
    let first = tokio::time::timeout(Duration::from_secs(5), follower.next()).await.unwrap();
    assert_eq!(first.unwrap().unwrap(), "layer");
    rot(&file(dir.path(), &digest));
    let found: Vec<Fault> =
        look(&store, Depth::Full, false).await.findings.iter().map(|it| it.fault).collect();
    assert_eq!(found, [Fault::Flipped, Fault::Count]);
    look(&store, Depth::Full, true).await;
    kit::put(&store, &scope, b"layer", &[]).await;
    kit::recounted(&store).await;
    assert_eq!(kinds(&look(&store, Depth::Full, false).await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_explains_what_is_missing_and_an_ended_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = kit::store(dir.path()).await;
    let scope = Scope::default();
    let ends = varve_core::time::now().checked_add(Duration::from_secs(2)).unwrap();
    let labels = Labels::from([(varve_core::labels::GC_EXPIRE.to_owned(), ends.to_string())]);
    let lease = Leases::create(&*store, &scope, "pull", &labels).await.unwrap();
    let absent = Digest::of(b"still to come").to_string();
    let edge = [("containerd.io/gc.ref.content.l.0", absent.as_str())];
    kit::put(&store, &scope.leased(lease.id), b"manifest", &edge).await;
    assert_eq!(kinds(&look(&store, Depth::Full, true).await), []);
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(kinds(&look(&store, Depth::Full, true).await), [(Fault::Missing, absent.clone())]);
    let bringing =
        OpenWriter { ingest: "layer".into(), expected: Some(absent.parse().unwrap()), total: 0 };
    let writer = store.writer(&scope, bringing).await.unwrap();
    assert_eq!(kinds(&look(&store, Depth::Full, true).await), [], "somebody brings it");
    drop(writer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_removals_and_collections_are_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = kit::store(dir.path()).await;
    let end = Instant::now() + Duration::from_secs(3);
    let busy: Vec<_> = (0..3)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let scope = Scope::default();
                while Instant::now() < end {
                    let bytes = format!("{n} {:?}", Instant::now());
                    let digest = kit::put(&store, &scope, bytes.as_bytes(), &[]).await;
                    match n {
                        0 => Content::delete(&*store, &scope, &digest).await.found().map(drop),
                        1 => {
                            varve_core::collect::Collector::collect(&*store, false).await.map(drop)
                        }
                        _ => Ok(()),
                    }
                    .unwrap();
                }
            })
        })
        .collect();
    let mut looks = 0;
    while Instant::now() < end {
        let report = look(&store, Depth::Full, looks % 2 == 1).await;
        assert_eq!(kinds(&report), [], "look {looks}");
        looks += 1;
    }
    for task in busy {
        task.await.unwrap();
    }
    assert!(looks > 3, "{looks}");
    kit::recounted(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paced_look_takes_its_time_and_ends_when_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = kit::store(dir.path()).await;
    kit::put(&store, &Scope::default(), &vec![1; 1 << 20], &[]).await;
    let paced = |bytes_per_second| How { depth: Depth::Scrub, repair: false, bytes_per_second };
    let begun = Instant::now();
    let report = store.fsck(paced(2 << 20), Progress::ignored()).await.unwrap();
    assert_eq!(report.hashed, 1 << 20);
    assert!(begun.elapsed() > Duration::from_millis(350), "{:?}", begun.elapsed());
    let slow = store.fsck(paced(1000), Progress::ignored());
    assert!(tokio::time::timeout(Duration::from_millis(200), slow).await.is_err());
    let begun = Instant::now();
    store.close().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_background_scrub_finds_what_rots_and_comes_when_it_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let store = kit::store(dir.path()).await;
    let scope = Scope::default();
    let digest = kit::put(&store, &scope, b"will rot", &[]).await;
    let often = Scrub { bytes_per_second: 0, every_hours: 1 };
    rot(&file(dir.path(), &digest));
    let scrubbing = async {
        tokio::time::timeout(Duration::from_secs(20), store.scrub(often)).await.unwrap_err()
    };
    let found = async {
        while store.reader(&scope, &digest).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = scrubbing => panic!("it was not found"),
        () = found => {}
    }
    // The next one is an hour away.
    let second = kit::put(&store, &scope, b"will rot too", &[]).await;
    tokio::time::timeout(Duration::from_millis(500), store.scrub(often)).await.unwrap_err();
    rot(&file(dir.path(), &second));
    tokio::time::timeout(Duration::from_millis(500), store.scrub(often)).await.unwrap_err();
    assert!(store.reader(&scope, &second).await.is_ok());
}
