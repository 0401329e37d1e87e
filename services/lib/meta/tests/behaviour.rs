//! What callers may rely on while nothing goes wrong on the disk.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in tests, and misses their helpers.

use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;

use varve_core::{Error, Kind};
use varve_meta::{Db, MAX_VALUE, Options, Recovery};

fn open(dir: &Path) -> Db {
    let (db, recovery) = Db::open(dir, Options::default()).unwrap();
    assert!(!recovery.must_rebuild(), "{recovery:?}");
    db
}

fn put(db: &Db, key: &str, value: &str) {
    let (key, value) = (key.to_owned(), value.to_owned());
    db.write_blocking(move |tx| tx.put(key.as_bytes(), value.into_bytes())).unwrap();
}

fn text(db: &Db, key: &str) -> Option<String> {
    db.get(key.as_bytes()).unwrap().map(|value| String::from_utf8(value).unwrap())
}

#[test]
fn what_was_written_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("not/yet/there");
    let (db, recovery) = Db::open(&place, Options::default()).unwrap();
    assert_eq!(recovery, Recovery::Created);
    put(&db, "a/1", "one");
    put(&db, "a/2", "two");
    put(&db, "b/1", "three");
    db.write_blocking(|tx| tx.delete(b"a/2")).unwrap();
    db.close().unwrap();
    let (db, recovery) = Db::open(&place, Options::default()).unwrap();
    assert_eq!(recovery, Recovery::Clean);
    assert_eq!(text(&db, "a/1").as_deref(), Some("one"));
    assert_eq!(text(&db, "a/2"), None);
    assert_eq!(db.scan(b"a/").unwrap(), [(b"a/1".to_vec(), b"one".to_vec())]);
    assert_eq!(db.count(b"").unwrap(), 2);
    assert_eq!(db.scan(b"").unwrap().len(), 2, "records of the database's own stay hidden");
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = Db::open(dir.path(), Options::default()).err().unwrap();
    assert_eq!(error.kind(), Kind::Unavailable);
    let who = format!("another varve (process {})", std::process::id());
    assert!(error.message().contains(&who), "{error}");
    drop(first);
    open(dir.path());
}

#[test]
fn an_operation_that_fails_leaves_nothing_and_takes_nobody_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    put(&db, "kept", "before");
    let error = db
        .write_blocking(|tx| {
            tx.put(b"kept", b"after".to_vec())?;
            tx.put(b"new", b"1".to_vec())?;
            Err::<(), _>(Error::not_found("the thing"))
        })
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(text(&db, "kept").as_deref(), Some("before"));
    assert_eq!(text(&db, "new"), None);
}

#[test]
fn a_panic_in_an_operation_is_an_error_and_the_writer_lives() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let error = db
        .write_blocking(|tx| -> varve_core::Result<()> {
            tx.put(b"half", b"done".to_vec())?;
            panic!("out of cheese");
        })
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert!(error.message().contains("out of cheese"), "{error}");
    assert_eq!(text(&db, "half"), None);
    put(&db, "next", "fine");
}

#[test]
fn an_operation_that_would_wait_for_itself_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let inner = db.clone();
    let error = db.write_blocking(move |_| inner.write_blocking(|_| Ok(()))).unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    let inner = db.clone();
    assert!(db.write_blocking(move |_| inner.export()).is_err());
}

#[test]
fn operations_of_one_group_see_each_other_and_only_the_good_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    // The first operation holds the writer until the others are queued behind it.
    let gate = Arc::new(Barrier::new(2));
    let (held, opened) = (Arc::clone(&gate), db.clone());
    let first = thread::spawn(move || {
        opened.write_blocking(move |tx| {
            held.wait();
            held.wait();
            tx.put(b"n/1", b"1".to_vec())
        })
    });
    gate.wait();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let bad = runtime.spawn({
        let db = db.clone();
        async move {
            db.write(|tx| {
                tx.put(b"n/7", b"bad".to_vec())?;
                Err::<(), _>(Error::aborted("no"))
            })
            .await
        }
    });
    let seen = runtime.spawn({
        let db = db.clone();
        async move { db.write(|tx| tx.scan(b"n/")).await }
    });
    thread::sleep(std::time::Duration::from_millis(50));
    gate.wait();
    first.join().unwrap().unwrap();
    assert_eq!(runtime.block_on(bad).unwrap().unwrap_err().kind(), Kind::Aborted);
    let seen = runtime.block_on(seen).unwrap().unwrap();
    assert_eq!(seen, [(b"n/1".to_vec(), b"1".to_vec())]);
    assert_eq!(db.count(b"n/").unwrap(), 1);
}

#[test]
fn an_operation_sees_its_own_changes_over_the_committed_ones() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    for key in ["i/1", "i/2", "i/3", "j/1"] {
        put(&db, key, key);
    }
    db.write_blocking(|tx| {
        let keys = |records: Vec<(Vec<u8>, Vec<u8>)>| -> Vec<String> {
            records.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
        };
        tx.delete(b"i/1")?;
        tx.delete(b"i/3")?;
        tx.put(b"i/0", b"x".to_vec())?;
        assert_eq!(tx.first(b"i/")?.unwrap().0, b"i/0");
        assert_eq!(tx.last(b"i/")?.unwrap().0, b"i/2");
        assert_eq!(keys(tx.scan(b"i/")?), ["i/0", "i/2"]);
        tx.delete(b"i/0")?;
        assert_eq!(tx.get(b"i/0")?, None);
        assert_eq!(tx.first(b"i/")?.unwrap(), (b"i/2".to_vec(), b"i/2".to_vec()));
        tx.put(b"i/2", b"new".to_vec())?;
        assert_eq!(tx.last(b"i/")?.unwrap().1, b"new");
        assert_eq!(tx.first(b"none/")?, None);
        Ok(())
    })
    .unwrap();
    assert_eq!(db.scan(b"i/").unwrap(), [(b"i/2".to_vec(), b"new".to_vec())]);
}

#[test]
fn a_scan_never_sees_half_of_an_operation() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let writer = thread::spawn({
        let db = db.clone();
        move || {
            for round in 0..200u32 {
                db.write_blocking(move |tx| {
                    (0..40u32).try_for_each(|number| {
                        tx.put(format!("p/{number}").as_bytes(), round.to_be_bytes().to_vec())
                    })
                })
                .unwrap();
            }
        }
    });
    while !writer.is_finished() {
        let records = db.scan(b"p/").unwrap();
        assert!(records.is_empty() || records.len() == 40);
        assert!(records.windows(2).all(|pair| pair[0].1 == pair[1].1), "two rounds in one scan");
    }
    writer.join().unwrap();
}

#[test]
fn a_value_above_the_limit_is_refused_with_its_operation() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let error = db
        .write_blocking(|tx| {
            tx.put(b"small", b"1".to_vec())?;
            tx.put(b"l/large", vec![0; MAX_VALUE + 1])
        })
        .unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.message().contains("l/large") && error.message().contains("16385"), "{error}");
    assert_eq!(text(&db, "small"), None);
}

#[test]
fn many_values_of_the_largest_size_survive_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    db.write_blocking(|tx| {
        (0..100u8).try_for_each(|number| tx.put(&[b'v', number], vec![number; MAX_VALUE]))
    })
    .unwrap();
    let spilled = std::fs::read_dir(dir.path().join("sled/blobs")).unwrap().count();
    assert!(spilled > 0, "the case that this test is for: sled spilled no page");
    db.close().unwrap();
    let db = open(dir.path());
    for (key, value) in db.scan(b"v").unwrap() {
        assert_eq!(value, vec![key[1]; MAX_VALUE]);
    }
    assert_eq!(db.count(b"v").unwrap(), 100);
}

#[test]
fn a_closed_database_refuses_everything_and_closing_twice_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let other = db.clone();
    put(&db, "a", "1");
    db.close().unwrap();
    db.close().unwrap();
    assert_eq!(other.get(b"a").unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(other.write_blocking(|_| Ok(())).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(other.export().unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(text(&open(dir.path()), "a").as_deref(), Some("1"));
}

#[test]
fn the_last_handle_may_go_inside_an_operation() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let inside = db.clone();
    let (go, wait) = std::sync::mpsc::channel();
    runtime.block_on(async {
        let mut write = Box::pin(db.write(move |tx| {
            wait.recv().unwrap();
            tx.put(b"a", b"1".to_vec())?;
            drop(inside);
            Ok(())
        }));
        assert!(futures_poll_once(&mut write).await);
    });
    drop(db);
    go.send(()).unwrap();
    for _ in 0..500 {
        match Db::open(dir.path(), Options::default()) {
            Ok((db, _)) => return assert_eq!(text(&db, "a").as_deref(), Some("1")),
            Err(error) => assert_eq!(error.kind(), Kind::Unavailable),
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the directory was never let go");
}

/// Polls once; whether the future is still pending.
async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
    })
    .await
}

#[test]
fn closing_without_a_change_does_not_write_the_export() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(dir.path());
    put(&db, "a", "1");
    db.close().unwrap();
    let written = || std::fs::metadata(dir.path().join("export")).unwrap().modified().unwrap();
    let before = written();
    let db = open(dir.path());
    put(&db, "a", "1");
    db.close().unwrap();
    assert_eq!(written(), before, "an equal value is no change");
}

#[test]
fn the_export_is_written_when_it_is_due_and_nobody_asks() {
    let dir = tempfile::tempdir().unwrap();
    let export_every = std::time::Duration::from_millis(10);
    let options = Options { export_every, ..Options::default() };
    let (db, _) = Db::open(dir.path(), options).unwrap();
    put(&db, "tag/alpine", "sha256:ab\\\n");
    for _ in 0..500 {
        let text = std::fs::read_to_string(dir.path().join("export")).unwrap_or_default();
        if text.contains("tag/alpine\tsha256:ab\\x5c\\x0a\n") {
            return;
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no export came");
}
