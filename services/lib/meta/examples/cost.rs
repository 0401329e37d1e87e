//! What opening, closing and writing cost: `cargo run --release --example cost -- DIR RECORDS`.

use std::path::Path;
use std::time::{Duration, Instant};

use varve_core::Result;
use varve_meta::{Db, Options};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let dir = Path::new(args.get(1).map_or("/tmp/varve-meta-cost", String::as_str));
    let records: u32 = args.get(2).and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let (db, _) = timed("create", || Db::open(dir, Options::default()))?;
    timed("fill", || fill(&db, records))?;
    timed("close, with export", || db.close())?;
    for _ in 0..4 {
        let (db, recovery) = timed("open", || Db::open(dir, Options::default()))?;
        assert!(!recovery.must_rebuild());
        timed("count", || db.count(b""))?;
        timed("close", || db.close())?;
    }
    let (db, _) = Db::open(dir, Options::default())?;
    lone(&db)?;
    together(db.clone())?;
    timed("overwrite", || overwrite(&db))?;
    timed("close, with export", || db.close())?;
    timed("open after writes", || Db::open(dir, Options::default()))?;
    timed("open again", || Db::open(dir, Options::default()))?;
    Ok(())
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = run();
    report(what, start.elapsed());
    done
}

fn report(what: &str, took: Duration) {
    eprintln!("{what:24} {:9.3} ms", took.as_secs_f64() * 1e3);
}

fn fill(db: &Db, records: u32) -> Result<()> {
    for first in (0..records).step_by(1000) {
        db.write_blocking(move |tx| {
            for number in first..records.min(first + 1000) {
                tx.put(format!("l/default/{number:08}").as_bytes(), vec![7; 100])?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn lone(db: &Db) -> Result<()> {
    let start = Instant::now();
    for number in 0..100u32 {
        db.write_blocking(move |tx| tx.put(b"lone", number.to_be_bytes().to_vec()))?;
    }
    report("a lone write", start.elapsed() / 100);
    Ok(())
}

fn together(db: Db) -> Result<()> {
    let start = Instant::now();
    let threads: Vec<_> = (0..16u32)
        .map(|thread| {
            let db = db.clone();
            std::thread::spawn(move || {
                (0..100u32).try_for_each(|number| {
                    let key = format!("t/{thread}/{number}");
                    db.write_blocking(move |tx| tx.put(key.as_bytes(), vec![1; 80]))
                })
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no operation panics")?;
    }
    report("a write of 16 threads'", start.elapsed() / 1600);
    Ok(())
}

/// Churn: what the log grows to is for `du` to tell.
fn overwrite(db: &Db) -> Result<()> {
    for round in 0..200u32 {
        db.write_blocking(move |tx| {
            (0..500u32).try_for_each(|number| {
                tx.put(format!("o/{number}").as_bytes(), round.to_be_bytes().repeat(25))
            })
        })?;
    }
    Ok(())
}
