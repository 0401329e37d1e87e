//! The life of a server: health and reflection beside the services, requests until it is told to
//! stop, and then a drain that has an end.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use varve_core::{Error, Result};
use varve_proto::DESCRIPTORS;

use crate::channel::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::guests::{Counted, Guests};
use crate::listen::Listener;
use crate::served::Served;
use crate::shutdown::Shutdown;

/// How long requests that are under way may go on after the shutdown began.
const DRAIN: Duration = Duration::from_secs(10);
/// Requests under way at once on one connection.
const STREAMS: u32 = 1024;

/// Serves until `shutdown`.
///
/// From the start of the shutdown health says NOT_SERVING and no connection is accepted; requests
/// under way are given some time and then cancelled. The socket's file goes last.
pub async fn serve(listener: Listener, served: Served, shutdown: Shutdown) -> Result<()> {
    let address = listener.address().clone();
    let (router, health, names) = router(served).await?;
    let (incoming, _file) = listener.incoming(Guests::new());
    let stop = {
        let shutdown = shutdown.clone();
        async move {
            shutdown.started().await;
            for name in names.into_iter().chain([""]) {
                health.set_service_status(name, ServingStatus::NotServing).await;
            }
        }
    };
    tracing::info!(%address, "serving");
    let ended = tokio::select! {
        ended = router.serve_with_incoming_shutdown(incoming, stop) => ended,
        () = late(&shutdown) => {
            tracing::warn!(%address, "requests that did not end in time are cancelled");
            Ok(())
        }
    };
    ended.map_err(|error| Error::internal(format!("serving on {address}")).with_source(error))
}

/// A server beside other work: whoever owns a root serves those who come while it works in it.
#[derive(Debug)]
pub struct Host {
    guests: Guests,
    /// Nobody is to be let in any more; and nobody is.
    closed: Shutdown,
    shut: Shutdown,
    server: tokio_util::task::AbortOnDropHandle<()>,
}

impl Host {
    /// Begins to serve. What it takes to do so is made when the first guest comes, which seldom happens.
    pub fn start(listener: Listener, served: Served) -> Self {
        let address = listener.address().clone();
        let (guests, closed, shut) = (Guests::new(), Shutdown::new(), Shutdown::new());
        let (incoming, file) = listener.incoming(guests.clone());
        let (door, last) = (closed.clone(), shut.clone());
        let server = tokio::spawn(async move {
            let door = async move {
                door.started().await;
                // Who comes from now on must find nobody.
                drop(file);
                last.start();
            };
            let mut incoming = Box::pin(incoming.take_until(Box::pin(door)));
            let Some(first) = incoming.next().await else { return };
            let incoming = tokio_stream::once(first).chain(incoming);
            if let Err(error) = receive(incoming, served).await {
                tracing::warn!(%address, error = %error.chain(), "serving others");
            }
        });
        let server = tokio_util::task::AbortOnDropHandle::new(server);
        Self { guests, closed, shut, server }
    }

    /// How many connections there are.
    pub fn guests(&self) -> usize {
        self.guests.count()
    }

    /// Lets nobody in any more, and returns once the last guest has left.
    pub async fn leave(self) {
        let Self { guests, closed, shut, mut server } = self;
        closed.start();
        // The server has a thread of its own: until it has shut the door it may let one more in, who would be
        // counted too late.
        tokio::select! {
            () = shut.started() => {}
            _ = &mut server => {}
        }
        guests.gone().await;
    }
}

async fn receive(
    incoming: impl Stream<Item = io::Result<Counted<crate::stream::Stream>>>,
    served: Served,
) -> Result<()> {
    let (router, ..) = router(served).await?;
    let failed = |error| Error::internal("a server beside a command").with_source(error);
    router.serve_with_incoming(incoming).await.map_err(failed)
}

/// What every server agrees on; the other half of [`crate::channel::endpoint`].
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_frame_size(1 << 20)
        .tcp_nodelay(true)
}

/// With what every process has. Also answers what health tells of.
async fn router(served: Served) -> Result<(Router, HealthReporter, Vec<&'static str>)> {
    let Served { routes, names, .. } = served.whole();
    let (health, service) = tonic_health::server::health_reporter();
    for name in &names {
        health.set_service_status(*name, ServingStatus::Serving).await;
    }
    let routes = with_reflection(routes.add_service(service), &names)?;
    Ok((server().add_routes(routes), health, names))
}

/// Both versions: older tools speak only v1alpha.
fn with_reflection(routes: Routes, names: &[&'static str]) -> Result<Routes> {
    let builder = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        names.iter().fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let failed = |error| Error::internal("the descriptors of the wire").with_source(error);
    let routes = routes.add_service(builder().build_v1().map_err(failed)?);
    Ok(routes.add_service(builder().build_v1alpha().map_err(failed)?))
}

async fn late(shutdown: &Shutdown) {
    shutdown.started().await;
    tokio::time::sleep(DRAIN).await;
}
