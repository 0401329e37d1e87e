//! Content.Read by pieces: the short way answers what the long one does.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::sync::Arc;

use tonic::transport::Channel;
use tonic::{Code, Request};
use varve_core::content::{Commit, OpenWriter};
use varve_core::testsuite::contract::Services;
use varve_core::testsuite::memory;
use varve_core::{Digest, Scope};
use varve_proto::containerd::services::content::v1::ReadContentRequest;
use varve_proto::containerd::services::content::v1::content_client::ContentClient;

/// Of a message, and so the longest piece.
const CHUNK: i64 = 256 << 10;

/// All bytes and where each message begins; or why not, and in which words.
type Told = Result<(Vec<u8>, Vec<i64>), (Code, String)>;

async fn read(client: &ContentClient<Channel>, request: ReadContentRequest) -> Told {
    let why = |status: tonic::Status| (status.code(), status.message().to_owned());
    let mut request = Request::new(request);
    request.metadata_mut().insert("containerd-namespace", "default".parse().unwrap());
    let mut stream = client.clone().read(request).await.map_err(why)?.into_inner();
    let (mut bytes, mut offsets) = (Vec::new(), Vec::new());
    while let Some(message) = stream.message().await.map_err(why)? {
        offsets.push(message.offset);
        bytes.extend_from_slice(&message.data);
    }
    Ok((bytes, offsets))
}

/// Stores a blob; its digest.
async fn put(services: &Services, bytes: &[u8]) -> String {
    let open = OpenWriter { ingest: format!("{} bytes", bytes.len()), ..OpenWriter::default() };
    let mut writer = services.content.writer(&Scope::default(), open).await.unwrap();
    writer.write(bytes.to_vec().into()).await.unwrap();
    writer.commit(Commit::default()).await.unwrap().to_string()
}

#[tokio::test]
async fn both_ways_tell_the_same_of_every_range() {
    let services = Services::all(Arc::new(memory::Store::new()));
    let (long, short) = (kit::Pipes::new(), kit::Pipes::new());
    let _long = long.serve(kit::routes(&services), None);
    let _short = short.serve(kit::routes(&services), Some(services.content.clone()));
    let (long, short) = (ContentClient::new(long.channel()), ContentClient::new(short.channel()));
    let blob: Vec<u8> = (0..CHUNK as usize + 1000).map(|n| (n % 251) as u8).collect();
    let mut digests = vec![Digest::of(b"nobody has it").to_string(), "no digest".to_owned()];
    for bytes in [&blob[..], b"x", b""] {
        digests.push(put(&services, bytes).await);
    }
    let end = blob.len() as i64;
    let offsets = [0, 1, 1000, CHUNK, end - 1, end, end + 1, -1, i64::MAX];
    let sizes = [0, 1, 32 << 10, CHUNK - 1, CHUNK, CHUNK + 1, end, -1, i64::MAX, i64::MIN];
    let mut right = 0;
    for digest in &digests {
        for (offset, size) in offsets.iter().flat_map(|offset| sizes.map(|size| (*offset, size))) {
            let request = ReadContentRequest { digest: digest.clone(), offset, size };
            let (one, other) = (read(&long, request.clone()).await, read(&short, request).await);
            assert_eq!(one, other, "{digest} {offset} {size}");
            right += usize::from(one.is_ok());
        }
    }
    assert!(right > 50, "{right} reads are no comparison");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_pieces_at_once_on_one_connection_all_come() {
    let services = Services::all(Arc::new(memory::Store::new()));
    let pipes = kit::Pipes::new();
    let _serving = pipes.serve(kit::routes(&services), Some(services.content.clone()));
    let client = ContentClient::new(pipes.channel());
    let blob: Vec<u8> = (0..CHUNK as usize).map(|n| (n % 251) as u8).collect();
    let digest = put(&services, &blob).await;
    let mut reads = tokio::task::JoinSet::new();
    for n in 0..200 {
        let (client, digest) = (client.clone(), digest.clone());
        reads.spawn(async move {
            let request = ReadContentRequest { digest, offset: n, size: CHUNK };
            (n as usize, read(&client, request).await.unwrap().0)
        });
    }
    while let Some(read) = reads.join_next().await {
        let (n, bytes) = read.unwrap();
        assert!(bytes == blob[n..], "the read from {n}");
    }
}
