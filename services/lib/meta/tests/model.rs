//! The database against a sorted map in memory: any mix of operations, groups and reopenings.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in tests, and misses their helpers.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use varve_core::{Error, Result};
use varve_meta::{Db, Options, Tx};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
enum Step {
    /// One operation: keys set or removed, and whether it fails at its end.
    Write(Vec<(Vec<u8>, Option<Vec<u8>>)>, bool),
    Reopen,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    // Few keys, so that they meet; a prefix of another, and bytes at both ends of the range.
    prop_oneof![
        Just(b"a".to_vec()),
        Just(b"a/".to_vec()),
        (any::<bool>(), 0u8..6).prop_map(|(first, end)| {
            vec![if first { b'a' } else { b'b' }, b'/', if end == 5 { 255 } else { end }]
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..40));
    let changes = prop::collection::vec((key(), value), 0..12);
    prop_oneof![
        8 => (changes, prop::bool::weighted(0.2)).prop_map(|(changes, fail)| Step::Write(changes, fail)),
        1 => Just(Step::Reopen),
    ]
}

fn under(model: &Model, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let matching = model.iter().filter(|(key, _)| key.starts_with(prefix));
    matching.map(|(key, value)| (key.clone(), value.clone())).collect()
}

const PREFIXES: [&[u8]; 4] = [b"", b"a", b"a/", b"c"];

/// Applies the changes, and compares the view after each.
fn apply(tx: &mut Tx, model: &mut Model, changes: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Result<()> {
    for (key, value) in changes {
        match value {
            Some(value) => {
                tx.put(&key, value.clone())?;
                model.insert(key, value);
            }
            None => {
                tx.delete(&key)?;
                model.remove(&key);
            }
        }
        for prefix in PREFIXES {
            let expected = under(model, prefix);
            assert_eq!(tx.first(prefix)?, expected.first().cloned());
            assert_eq!(tx.last(prefix)?, expected.last().cloned());
            assert_eq!(tx.scan(prefix)?, expected);
        }
    }
    Ok(())
}

fn run(dir: &Path, steps: Vec<Step>) {
    let open = || Db::open(dir, Options::default()).unwrap().0;
    let (mut db, mut model) = (open(), Model::new());
    for step in steps {
        match step {
            Step::Write(changes, fail) => {
                let mut copy = model.clone();
                let done = db.write_blocking(move |tx| {
                    apply(tx, &mut copy, changes)?;
                    if fail { Err(Error::aborted("asked to")) } else { Ok(copy) }
                });
                match done {
                    Ok(after) => model = after,
                    Err(error) => assert_eq!(error.message(), "asked to"),
                }
            }
            Step::Reopen => {
                drop(db);
                db = open();
            }
        }
        assert_eq!(db.scan(b"").unwrap(), under(&model, b""));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_like_a_sorted_map(steps in prop::collection::vec(step(), 1..25)) {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), steps);
    }
}
