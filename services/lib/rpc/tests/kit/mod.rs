//! A content store behind a pipe in memory: the whole wire, and no socket.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "of tests")]

use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::service::Routes;
use tonic::transport::{Channel, Uri};
use varve_core::content::Content;
use varve_core::testsuite::contract::Services;
use varve_core::testsuite::memory;
use varve_rpc::{
    Shutdown, channel, collect, containers, content, images, leases, namespaces, serve,
};

/// Bytes in a pipe.
const PIPE: usize = 64 << 10;

/// Where connections arrive. Each server that is started takes the place of the one before.
#[derive(Clone)]
pub struct Pipes(Arc<std::sync::Mutex<Option<mpsc::UnboundedSender<DuplexStream>>>>);

impl Pipes {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// A channel to whoever serves when it is used.
    pub fn channel(&self) -> Channel {
        let pipes = self.0.clone();
        channel::endpoint().connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let (ours, theirs) = tokio::io::duplex(PIPE);
            let sent = pipes.lock().unwrap().as_ref().map(|door| door.send(theirs));
            let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
            let taken = matches!(sent, Some(Ok(()))).then(|| TokioIo::new(ours));
            async move { taken.ok_or_else(refused) }
        }))
    }

    /// Lets nobody in any more.
    pub fn shut(&self) {
        *self.0.lock().unwrap() = None;
    }

    /// Serves until the answer is dropped; with `content`, its pieces the short way, too.
    pub fn serve(&self, routes: Routes, content: Option<Arc<dyn Content>>) -> Serving {
        let (door, incoming) = mpsc::unbounded_channel();
        *self.0.lock().unwrap() = Some(door);
        let incoming = UnboundedReceiverStream::new(incoming).map(Ok::<_, io::Error>);
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(async move {
            let services = varve_rpc::Services::new(routes, content);
            serve::connections(incoming, services, &Shutdown::new()).await;
        });
        Serving(Some(runtime))
    }
}

/// A server with threads of its own, which all of its connections die with, as with a process.
pub struct Serving(Option<Runtime>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.take().expect("it is dropped once").shutdown_background();
    }
}

/// All that a content store serves.
pub fn routes(s: &Services) -> Routes {
    let (content, collector) = (s.content.clone(), s.collector.clone());
    let mut routes = Routes::builder();
    routes
        .add_service(content::server(content.clone()))
        .add_service(images::server(s.images.clone(), collector.clone(), Shutdown::new()))
        .add_service(leases::server(s.leases.clone(), collector.clone()))
        .add_service(namespaces::server(s.namespaces.clone()))
        .add_service(containers::server(s.containers.clone()))
        .add_service(collect::server(
            content,
            s.images.clone(),
            s.leases.clone(),
            collector,
            Arc::new(memory::Store::new()),
            Shutdown::new(),
        ));
    routes.routes()
}

/// The clients of all of it.
pub fn clients(channel: &Channel) -> Services {
    Services {
        content: Arc::new(content::Client::new(channel.clone())),
        images: Arc::new(images::Client::new(channel.clone())),
        leases: Arc::new(leases::Client::new(channel.clone())),
        namespaces: Arc::new(namespaces::Client::new(channel.clone())),
        containers: Arc::new(containers::Client::new(channel.clone())),
        collector: Arc::new(collect::Client::new(channel.clone())),
    }
}
