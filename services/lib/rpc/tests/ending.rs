//! How requests and servers end: a panic is one request's end, and who comes to a server that stops finds nobody.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::future::pending;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Request;
use varve_core::content::{Content, Follower, Info, OpenWriter, Reader, Status, Writer};
use varve_core::testsuite::contract::Services;
use varve_core::testsuite::memory;
use varve_core::{Digest, Labels, Mask, Result, Scope};
use varve_proto::containerd::services::content::v1::ReadContentRequest;
use varve_proto::containerd::services::content::v1::content_client::ContentClient;
use varve_rpc::{Address, Shutdown, channel, serve};

/// What becomes of whoever wants to read a blob.
enum Reads {
    Panic,
    /// It takes for ever; whoever listens is told that it has begun.
    Last(mpsc::UnboundedSender<()>),
}

#[async_trait]
impl Content for Reads {
    async fn reader(&self, _: &Scope, _: &Digest) -> Result<Arc<dyn Reader>> {
        match self {
            Self::Panic => panic!("a panic that a test wants"),
            Self::Last(begun) => begun.send(()).unwrap(),
        }
        pending().await
    }

    async fn info(&self, _: &Scope, _: &Digest) -> Result<Info> {
        unreachable!("it is only read")
    }

    async fn update(&self, _: &Scope, _: &Digest, _: &Labels, _: &Mask) -> Result<Info> {
        unreachable!("it is only read")
    }

    async fn list(&self, _: &Scope, _: &[String]) -> Result<Vec<Info>> {
        unreachable!("it is only read")
    }

    async fn delete(&self, _: &Scope, _: &Digest) -> Result<()> {
        unreachable!("it is only read")
    }

    async fn status(&self, _: &Scope, _: &str) -> Result<Status> {
        unreachable!("it is only read")
    }

    async fn list_statuses(&self, _: &Scope, _: &[String]) -> Result<Vec<Status>> {
        unreachable!("it is only read")
    }

    async fn writer(&self, _: &Scope, _: OpenWriter) -> Result<Box<dyn Writer>> {
        unreachable!("it is only read")
    }

    async fn abort(&self, _: &Scope, _: &str) -> Result<()> {
        unreachable!("it is only read")
    }

    async fn follow(&self, _: &Scope, _: &Digest) -> Result<Box<dyn Follower>> {
        unreachable!("it is only read")
    }
}

/// Of a piece, which is worked at in the connection's own task.
fn read() -> Request<ReadContentRequest> {
    let digest = Digest::of(b"").to_string();
    let mut request = Request::new(ReadContentRequest { digest, offset: 0, size: 1 });
    request.metadata_mut().insert("containerd-namespace", "default".parse().unwrap());
    request
}

#[tokio::test]
async fn a_read_that_panics_ends_itself_and_not_its_connection() {
    let services = Services::all(Arc::new(memory::Store::new()));
    let pipes = kit::Pipes::new();
    let _serving = pipes.serve(kit::routes(&services), Some(Arc::new(Reads::Panic)));
    let channel = pipes.channel();
    ContentClient::new(channel.clone()).read(read()).await.unwrap_err();
    // Nobody else is let in: what answers now is the same connection.
    pipes.shut();
    kit::clients(&channel).namespaces.list().await.unwrap();
}

#[tokio::test]
async fn who_comes_to_a_server_that_stops_finds_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, mut reads) = mpsc::unbounded_channel();
    let content: Arc<dyn Content> = Arc::new(Reads::Last(begun));
    let routes = kit::routes(&Services::all(Arc::new(memory::Store::new())));
    let services = varve_rpc::Services::new(routes, Some(content));
    let stop = Shutdown::new();
    let serving = {
        let stop = stop.clone();
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(async move { serve::connections(incoming, services, &stop).await })
    };
    let http: Address = format!("http://{address}").parse().unwrap();
    let mut client = ContentClient::new(channel::channel(&http));
    let reading = tokio::spawn(async move { client.read(read()).await.map(drop) });
    reads.recv().await.unwrap();
    stop.start();
    let refused = async {
        while !TcpStream::connect(address)
            .await
            .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused).await.unwrap();
    assert!(!reading.is_finished() && !serving.is_finished(), "who is there has his time");
    serving.abort();
    reading.abort();
}
