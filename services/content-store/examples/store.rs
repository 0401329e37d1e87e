//! What the store costs by itself: `cargo run --release --example store [DIRECTORY]`. The directory
//! should be on the disk that is meant; blobs are synced to it.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may stop")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use varve_content_store::{Config, open};
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::{Digest, Scope};

const LARGE: usize = 512 << 20;
const CHUNK: usize = 128 << 10;
const SMALL: usize = 1000;
const LOOKUPS: u32 = 100_000;

#[tokio::main]
async fn main() {
    let place = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let dir = tempfile::tempdir_in(place).unwrap();
    let store = open(Config::new(dir.path())).await.unwrap();
    let content: &dyn Content = &*store;
    let begun = Instant::now();
    let large = ingest(content, "large", &noise(1, LARGE)).await;
    tell("ingest of 512 MiB, hashed and synced", begun.elapsed(), LARGE as f64 / 1e6, "MB/s");
    let begun = Instant::now();
    for n in 0..SMALL {
        ingest(content, "small", &noise(n as u64 + 2, 4096)).await;
    }
    tell("blobs of 4 KiB, one after the other", begun.elapsed(), SMALL as f64, "blobs/s");
    let begun = Instant::now();
    for _ in 0..LOOKUPS {
        content.info(&Scope::default(), &large).await.unwrap();
    }
    tell("look-ups", begun.elapsed(), LOOKUPS.into(), "look-ups/s");
    let begun = Instant::now();
    let listed = content.list(&Scope::default(), &[]).await.unwrap().len();
    tell("listing 1001 blobs", begun.elapsed(), listed as f64, "blobs/s");
    store.close().await.unwrap();
}

async fn ingest(content: &dyn Content, name: &str, bytes: &Bytes) -> Digest {
    let scope = Scope::default();
    let open = OpenWriter { ingest: name.into(), ..OpenWriter::default() };
    let mut writer = content.writer(&scope, open).await.unwrap();
    for at in (0..bytes.len()).step_by(CHUNK) {
        writer.write(bytes.slice(at..bytes.len().min(at + CHUNK))).await.unwrap();
    }
    writer.commit(Commit::default()).await.unwrap()
}

fn noise(seed: u64, len: usize) -> Bytes {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes.into()
}

fn tell(what: &str, took: Duration, amount: f64, unit: &str) {
    println!("{what:45} {:8.3} s {:10.0} {unit}", took.as_secs_f64(), amount / took.as_secs_f64());
}
