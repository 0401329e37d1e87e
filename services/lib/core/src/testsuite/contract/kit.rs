//! What promises are written with: fresh names and bytes, short ways to put and get, and checks
//! that say what was wrong.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::content::{Commit, Content, Follower, OpenWriter, Writer};
use crate::digest::Digest;
use crate::error::{Kind, Result};
use crate::labels::Labels;
use crate::mask::Mask;
use crate::scope::Scope;
use crate::time::Timestamp;

/// Long enough for whatever is about to happen by mistake to happen.
pub const A_WHILE: Duration = Duration::from_millis(150);

fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A namespace that nothing else of this process uses.
pub fn room() -> Scope {
    let name = format!("room-{}-{}", std::process::id(), next());
    Scope::of(name.parse().expect("letters, digits and dashes are a namespace"))
}

/// `len` bytes that no other call gives, and their digest.
pub fn blob(len: usize) -> (Bytes, Digest) {
    let mut state = next().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    let digest = Digest::of(&bytes);
    (bytes.into(), digest)
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// The mask of these paths, those that are no field of the noun included.
pub fn mask(paths: &[&str]) -> Mask {
    let fields: Vec<&str> = paths.iter().copied().filter(|p| !p.starts_with("labels")).collect();
    Mask::parse(paths, &fields).expect("every path is allowed")
}

pub fn filters(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

/// Opens the ingest `name`, of which nothing is known.
pub async fn open(content: &dyn Content, scope: &Scope, name: &str) -> Result<Box<dyn Writer>> {
    content.writer(scope, OpenWriter { ingest: name.into(), ..OpenWriter::default() }).await
}

/// Opens the ingest `name` that is to become `digest`.
pub async fn expect(
    content: &dyn Content,
    scope: &Scope,
    name: &str,
    digest: Digest,
) -> Result<Box<dyn Writer>> {
    let open = OpenWriter { ingest: name.into(), total: 0, expected: Some(digest) };
    content.writer(scope, open).await
}

/// Stores a blob with labels, under a ref of its own.
pub async fn put(content: &dyn Content, scope: &Scope, bytes: &Bytes, labels: Labels) -> Digest {
    let name = format!("put-{}", Digest::of(bytes));
    let mut writer = open(content, scope, &name).await.expect("a ref of its own is free");
    writer.write(bytes.clone()).await.expect("bytes are taken");
    let commit = Commit { labels, ..Commit::default() };
    writer.commit(commit).await.expect("a new blob is committed")
}

/// A small new blob with labels.
pub async fn some(content: &dyn Content, scope: &Scope, labels: Labels) -> Digest {
    put(content, scope, &blob(64).0, labels).await
}

/// The whole blob.
pub async fn get(content: &dyn Content, scope: &Scope, digest: &Digest) -> Bytes {
    let reader = content.reader(scope, digest).await.expect("the blob can be opened");
    reader.read_all(64 << 20).await.expect("the blob can be read")
}

/// All that a follower gives, until it ends or fails.
pub async fn drain(follower: &mut dyn Follower) -> (Vec<u8>, Result<()>) {
    let mut all = Vec::new();
    loop {
        match follower.next().await {
            Ok(Some(bytes)) => all.extend_from_slice(&bytes),
            Ok(None) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// The next `len` bytes of a follower, which must not have more to give yet.
pub async fn take(follower: &mut dyn Follower, len: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < len {
        let bytes = follower.next().await.expect("a follower that is not cut off goes on");
        all.extend_from_slice(&bytes.expect("a follower goes on until the commit"));
    }
    assert_eq!(all.len(), len, "a follower gave more than was written");
    all
}

/// Asserts that `result` was refused, as `kind`.
#[track_caller]
pub fn refused<T>(result: Result<T>, kind: Kind) {
    match result {
        Ok(_) => panic!("it was granted, and should have been refused as {kind:?}"),
        Err(error) => assert_eq!(error.kind(), kind, "{}", error.chain()),
    }
}

/// Asserts that `time` lies between two others.
#[track_caller]
pub fn between(time: Timestamp, (from, to): (Timestamp, Timestamp)) {
    assert!(from <= time && time <= to, "{time} is not between {from} and {to}");
}
