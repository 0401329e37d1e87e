//! The records themselves, as nobody but a damaged disk changes them. The store must be closed.

use std::path::Path;

use serde_json::Value;
use varve_meta::{Db, Options};

use super::store::Store;

/// Changes records; answers what `change` does, given all of them.
pub fn edit<T: Send + 'static>(
    dir: &Path,
    change: impl FnOnce(&mut Edit<'_>) -> T + Send + 'static,
) -> T {
    let (db, _) = Db::open(dir, Options::default()).unwrap();
    let done = db
        .write_blocking(move |tx| {
            let all = tx.scan(b"")?;
            let mut edit = Edit { all, put: Vec::new(), delete: Vec::new(), _life: &() };
            let done = change(&mut edit);
            edit.put.into_iter().try_for_each(|(key, value)| tx.put(&key, value))?;
            edit.delete.iter().try_for_each(|key| tx.delete(key))?;
            Ok(done)
        })
        .unwrap();
    db.close().unwrap();
    done
}

/// All records, and what is to become of them.
pub struct Edit<'a> {
    pub all: Vec<(Vec<u8>, Vec<u8>)>,
    pub put: Vec<(Vec<u8>, Vec<u8>)>,
    pub delete: Vec<Vec<u8>>,
    _life: &'a (),
}

impl Edit<'_> {
    /// The keys that have all of these in them.
    pub fn keys(&self, parts: &[&str]) -> Vec<Vec<u8>> {
        let has = |key: &[u8], part: &str| {
            key.windows(part.len()).any(|window| window == part.as_bytes())
        };
        let keys = self.all.iter().map(|(key, _)| key);
        keys.filter(|key| parts.iter().all(|part| has(key, part))).cloned().collect()
    }
}

/// Takes a blob's record away, with its labels; and what these made, unless it is to be `torn`.
pub fn forget_blob(store: &Store, digest: &str, torn: bool) {
    let digest = digest.to_owned();
    edit(&store.layout().join("meta"), move |edit| {
        let own = format!("content/default/{digest}\0");
        let edges = format!("\0{digest}\0");
        let edges = edits(edit, &["edge/default/", "content", &edges]);
        let own: Vec<_> =
            edit.keys(&[&own]).into_iter().filter(|key| key.starts_with(b"content/")).collect();
        assert!(!own.is_empty());
        edit.delete.extend(own);
        if !torn {
            edit.delete.extend(edges);
            let holder = edit.keys(&[&format!("holder/{digest}/default")]);
            edit.delete.extend(holder);
        }
    });
}

/// The edges that a blob's labels made: `edge/…/content\0<digest>\0<label>`.
fn edits(edit: &Edit<'_>, parts: &[&str]) -> Vec<Vec<u8>> {
    edit.keys(parts).into_iter().filter(|key| key.starts_with(b"edge/")).collect()
}

/// The layers' snapshots: key, and the number of its directory.
pub fn snapshots(store: &Store) -> Vec<(String, u64)> {
    edit(&store.places().join("meta"), |edit| {
        let mut all = Vec::new();
        for (key, value) in &edit.all {
            let Some(key) = key.strip_prefix(b"s/default/") else { continue };
            let record: Value = serde_json::from_slice(value).unwrap();
            all.push((String::from_utf8(key.to_vec()).unwrap(), record["dir"].as_u64().unwrap()));
        }
        all
    })
}

/// Says that a directory was written in another boot, and never synced.
pub fn unsync(store: &Store, dir: u64) {
    edit(&store.places().join("meta"), move |edit| {
        let key = format!("d/{dir:016x}").into_bytes();
        let (_, value) = edit.all.iter().find(|(at, _)| *at == key).unwrap();
        let mut record: Value = serde_json::from_slice(value).unwrap();
        record["synced"] = false.into();
        record["boot"] = "another".into();
        edit.put.push((key, serde_json::to_vec(&record).unwrap()));
    });
}
