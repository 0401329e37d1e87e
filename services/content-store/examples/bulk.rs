//! Bulk bytes: in one process, over the wire, and by path beside it. `cargo run --release --example
//! bulk [DIRECTORY]`. Both ends are in this process, so the times are those of two cores together; what
//! is served is also told by the CPU seconds of the threads that serve.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and may stop")]

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use varve_content_store::{Config, open};
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::{Digest, Scope};
use varve_proto::containerd::services::content::v1::ReadContentRequest;
use varve_proto::containerd::services::content::v1::content_client::ContentClient;
use varve_rpc::channel::{Channel, channel};
use varve_rpc::events::Bus;
use varve_rpc::{Address, Listener, Served, Shutdown, content, serve};

const SIZE: usize = 512 << 20;
const CHUNK: usize = 128 << 10;
/// What containerd's own clients read at a time.
const HABIT: i64 = 32 << 10;
/// The name of the threads that serve.
const SERVING: &str = "serving";

fn main() {
    let (here, serving) = (runtime("client"), runtime(SERVING));
    here.block_on(measure(&serving));
    serving.shutdown_background();
}

fn runtime(name: &str) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).thread_name(name).thread_keep_alive(Duration::from_secs(600));
    builder.enable_all().build().unwrap()
}

async fn measure(serving: &Runtime) {
    let place = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let dir = tempfile::tempdir_in(place).unwrap();
    let config = Config::new(dir.path().join("content"));
    let store = serving.spawn(open(config)).await.unwrap().unwrap();
    let address = Address::Unix(dir.path().canonicalize().unwrap().join("sock"));
    let shutdown = Shutdown::new();
    let served = Served::default().content_store(store.clone(), Bus::new(), &shutdown);
    let (bound, down) = (address.clone(), shutdown.clone());
    let server = serving.spawn(async move {
        let listener = Listener::bind(&bound).await.unwrap();
        serve(listener, served, down).await
    });
    while !matches!(&address, Address::Unix(path) if path.exists()) {
        tokio::task::yield_now().await;
    }
    let channel = channel(&address);
    let client = content::Client::new(channel.clone());

    let here = write("written in one process", &*store, 1).await;
    write("written over the wire", &client, 2).await;
    follow("followed in one process", &*store, &here).await;
    follow("followed by path", &client, &here).await;
    let once = read("read over the wire, in one stream", &channel, &here, 0).await;
    read("read over the wire, 1 MiB at a time", &channel, &here, 1 << 20).await;
    let habit = read("read over the wire, 32 KiB at a time", &channel, &here, HABIT).await;
    println!("32 KiB at a time cost whoever serves {:.2} of what one stream does", habit / once);

    drop((client, channel));
    shutdown.start();
    server.await.unwrap().unwrap();
    store.close().await.unwrap();
}

async fn write(what: &str, content: &dyn Content, seed: u8) -> Digest {
    let bytes = Bytes::from(vec![seed; CHUNK]);
    let (begun, cpu) = (Instant::now(), served());
    let open = OpenWriter { ingest: what.into(), ..OpenWriter::default() };
    let mut writer = content.writer(&Scope::default(), open).await.unwrap();
    for _ in 0..SIZE / CHUNK {
        writer.write(bytes.clone()).await.unwrap();
    }
    let digest = writer.commit(Commit::default()).await.unwrap();
    tell(what, begun.elapsed(), served() - cpu);
    digest
}

async fn follow(what: &str, content: &dyn Content, digest: &Digest) {
    let (begun, cpu) = (Instant::now(), served());
    let mut follower = content.follow(&Scope::default(), digest).await.unwrap();
    let mut all = 0;
    while let Some(bytes) = follower.next().await.unwrap() {
        all += bytes.len();
    }
    assert_eq!(all, SIZE);
    tell(what, begun.elapsed(), served() - cpu);
}

/// The whole blob, `size` bytes with each request; 0 for all with one. Answers the CPU seconds of whoever serves.
async fn read(what: &str, channel: &Channel, digest: &Digest, size: i64) -> f64 {
    let mut client = ContentClient::new(channel.clone()).max_decoding_message_size(16 << 20);
    let (begun, cpu) = (Instant::now(), served());
    let mut at = 0;
    while at < SIZE {
        let (digest, offset) = (digest.to_string(), at as i64);
        let answer = client.read(ReadContentRequest { digest, offset, size }).await.unwrap();
        let mut pieces = answer.into_inner();
        while let Some(piece) = pieces.message().await.unwrap() {
            at += piece.data.len();
        }
    }
    let cpu = served() - cpu;
    tell(what, begun.elapsed(), cpu);
    cpu
}

/// CPU seconds of the threads that serve (proc(5), `schedstat`: nanoseconds on a CPU).
fn served() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let serving = tasks.filter(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == SERVING)
    });
    let spent = serving.map(|task| {
        let told = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        told.split(' ').next().and_then(|spent| spent.parse::<f64>().ok()).unwrap_or(0.0)
    });
    spent.sum::<f64>() / 1e9
}

fn tell(what: &str, took: Duration, cpu: f64) {
    let speed = SIZE as f64 / 1e6 / took.as_secs_f64();
    println!("{what:40} {:8.3} s {speed:8.0} MB/s {cpu:8.3} s of CPU serving", took.as_secs_f64());
}
