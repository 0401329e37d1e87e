//! Ways to the readers of what is on the disk, for the fuzzing of them: never for production.

use std::collections::BTreeMap;

use crate::export::{self, more::More};
use crate::record;

/// What is stored for `payload` under `key`.
pub fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    record::seal(key, payload)
}

/// The payload of what is stored under `key`, if it is sound.
pub fn unseal(key: &[u8], raw: &[u8]) -> Option<Vec<u8>> {
    record::unseal(key, raw).ok().map(<[u8]>::to_vec)
}

/// Key and value of a line of the export, its end left out.
pub fn read_line(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    export::record(line)
}

/// The line that the export has for a record, with its end.
pub fn write_line(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    export::line(key, value, &mut text);
    text
}

/// What the sections of `text` say together after an export of `seq`, and where they lead to.
pub fn read_more(seq: u64, text: &[u8]) -> (u64, BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
    let mut more = More { seq, changes: BTreeMap::new() };
    let mut rest = text;
    while let Some(after) = more.take(rest) {
        rest = after;
    }
    (more.seq, more.changes)
}
