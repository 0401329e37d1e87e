//! Ways to the readers of the snapshotter's records, for the fuzzing of them: never for production.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::graph::{Dir, Snapshot, decode, encode, parse_dir_key, parse_snapshot_key};

/// Reads a record as whatever it may be; answers whether it was anything.
///
/// # Panics
/// Where a value that was read is another when it is written and read again.
pub fn read(key: &[u8], value: &[u8]) -> bool {
    let named = parse_snapshot_key(key).is_ok() || parse_dir_key(key).is_ok();
    let snapshot = same::<Snapshot>(key, value);
    let dir = same::<Dir>(key, value);
    named && (snapshot || dir)
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(key: &[u8], bytes: &[u8]) -> bool {
    let Ok(value) = decode::<T>(key, bytes) else { return false };
    let again = encode(&value).and_then(|bytes| decode::<T>(key, &bytes));
    assert_eq!(again.ok().as_ref(), Some(&value), "what is written is read as it was");
    true
}
