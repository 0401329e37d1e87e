//! What the databases have on the disk: lines of the export, their sections, sealed values, and the
//! records of the content store and of the snapshotters.

use std::collections::BTreeMap;

use varve_content_store::testsuite as store;
use varve_meta::testsuite as meta;
use varve_snapshotter::testsuite as snapshots;

/// The bytes are lines of an export (docs of lib/meta), each a record; they are sections of what is
/// behind one; and they are a value as it is stored.
pub fn records(data: &[u8]) {
    let mut records = BTreeMap::new();
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let Some((key, value)) = meta::read_line(line) else { continue };
        let written = meta::write_line(&key, &value);
        let again = written.strip_suffix(b"\n").and_then(meta::read_line);
        assert_eq!(again.as_ref(), Some(&(key.clone(), value.clone())));
        snapshots::read(&key, &value);
        sealed(&key, &value);
        records.insert(key, value);
    }
    store::read(&records);
    let (seq, changes) = meta::read_more(1, data);
    assert!(seq != 1 || changes.is_empty() || data.starts_with(b"from 1 to 1\n"));
    assert_eq!(meta::unseal(b"key", data).map(|value| meta::seal(b"key", &value)), unsealed(data));
}

fn unsealed(data: &[u8]) -> Option<Vec<u8>> {
    meta::unseal(b"key", data).map(|_| data.to_vec())
}

fn sealed(key: &[u8], value: &[u8]) {
    let raw = meta::seal(key, value);
    assert_eq!(meta::unseal(key, &raw).as_deref(), Some(value));
    assert_eq!(meta::unseal(b"another", &raw).is_some(), key == b"another");
}
