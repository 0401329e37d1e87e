//! Bulk bytes: in one process, over the wire, and by path beside it. `cargo run --release --example
//! bulk [DIRECTORY]`. Both ends are in this process, so the times are those of two cores together.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may stop")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use varve_content_store::{Config, open};
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::{Digest, Scope};
use varve_rpc::channel::channel;
use varve_rpc::events::Bus;
use varve_rpc::{Address, Listener, Served, Shutdown, content, serve};

const SIZE: usize = 512 << 20;
const CHUNK: usize = 128 << 10;
/// What containerd's own clients read at a time.
const HABIT: usize = 32 << 10;

#[tokio::main]
async fn main() {
    let place = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let dir = tempfile::tempdir_in(place).unwrap();
    let store = open(Config::new(dir.path().join("content"))).await.unwrap();
    let address = Address::Unix(dir.path().canonicalize().unwrap().join("sock"));
    let shutdown = Shutdown::new();
    let served = Served::default().content_store(store.clone(), Bus::new(), &shutdown);
    let listener = Listener::bind(&address).await.unwrap();
    let server = tokio::spawn(serve(listener, served, shutdown.clone()));
    let client = content::Client::new(channel(&address));

    let here = write("written in one process", &*store, 1).await;
    write("written over the wire", &client, 2).await;
    follow("followed in one process", &*store, &here).await;
    follow("followed by path", &client, &here).await;
    read("read over the wire, 1 MiB at a time", &client, &here, 1 << 20).await;
    read("read over the wire, 32 KiB at a time", &client, &here, HABIT).await;

    drop(client);
    shutdown.start();
    server.await.unwrap().unwrap();
    store.close().await.unwrap();
}

async fn write(what: &str, content: &dyn Content, seed: u8) -> Digest {
    let bytes = Bytes::from(vec![seed; CHUNK]);
    let begun = Instant::now();
    let open = OpenWriter { ingest: what.into(), ..OpenWriter::default() };
    let mut writer = content.writer(&Scope::default(), open).await.unwrap();
    for _ in 0..SIZE / CHUNK {
        writer.write(bytes.clone()).await.unwrap();
    }
    let digest = writer.commit(Commit::default()).await.unwrap();
    tell(what, begun.elapsed());
    digest
}

async fn follow(what: &str, content: &dyn Content, digest: &Digest) {
    let begun = Instant::now();
    let mut follower = content.follow(&Scope::default(), digest).await.unwrap();
    let mut all = 0;
    while let Some(bytes) = follower.next().await.unwrap() {
        all += bytes.len();
    }
    assert_eq!(all, SIZE);
    tell(what, begun.elapsed());
}

async fn read(what: &str, content: &dyn Content, digest: &Digest, len: usize) {
    let begun = Instant::now();
    let reader = content.reader(&Scope::default(), digest).await.unwrap();
    let mut at = 0;
    while at < reader.size() {
        at += reader.read_at(at, len).await.unwrap().len() as u64;
    }
    tell(what, begun.elapsed());
}

fn tell(what: &str, took: Duration) {
    let speed = SIZE as f64 / 1e6 / took.as_secs_f64();
    println!("{what:40} {:8.3} s {speed:8.0} MB/s", took.as_secs_f64());
}
