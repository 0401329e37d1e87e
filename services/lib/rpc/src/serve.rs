//! The life of a server: health and reflection beside the services, requests until it is told to
//! stop, and then a drain that has an end.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_stream::Stream;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use varve_core::{Error, Result};
use varve_proto::DESCRIPTORS;

use crate::connection::{self, Services};
use crate::guests::Guests;
use crate::listen::Listener;
use crate::served::Served;
use crate::shutdown::Shutdown;

/// How long requests that are under way may go on after the shutdown began.
const DRAIN: Duration = Duration::from_secs(10);
/// How long nobody is let in after that has failed: without it, one who cannot be let in (there are no more file
/// descriptors) would be tried again and again.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`.
///
/// From the start of the shutdown health says NOT_SERVING and no connection is accepted; requests
/// under way are given some time and then cancelled. The socket's file goes last.
pub async fn serve(listener: Listener, served: Served, shutdown: Shutdown) -> Result<()> {
    let address = listener.address().clone();
    let (services, health, names) = services(served).await?;
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
    let connections = connections(incoming, services, &shutdown);
    tokio::select! {
        ((), ()) = async { tokio::join!(connections, stop) } => {}
        () = late(&shutdown) => {
            tracing::warn!(%address, "requests that did not end in time are cancelled");
        }
    }
    Ok(())
}

/// Serves whoever comes, until `stop` has begun or nobody comes any more, and those who are there have their answers.
/// Dropped, it leaves them all.
pub async fn connections<S>(
    incoming: impl Stream<Item = io::Result<S>>,
    services: Services,
    stop: &Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut all = JoinSet::new();
    {
        // Gone before the others are waited for: who comes then must find nobody, and not wait.
        let mut incoming = std::pin::pin!(incoming.take_until(stop.started()));
        loop {
            tokio::select! {
                next = incoming.next() => match next {
                    Some(Ok(stream)) => {
                        all.spawn(connection::serve(stream, services.clone(), stop.child()));
                    }
                    Some(Err(error)) => {
                        tracing::warn!(%error, "one who came could not be let in");
                        tokio::time::sleep(PAUSE).await;
                    }
                    None => break,
                },
                Some(_) = all.join_next() => {}
            }
        }
    }
    while all.join_next().await.is_some() {}
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
            match services(served).await {
                Ok((services, ..)) => connections(incoming, services, &Shutdown::new()).await,
                Err(error) => {
                    tracing::warn!(%address, error = %error.chain(), "serving others");
                }
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

/// All of a process, with what every process has. Also answers what health tells of.
async fn services(served: Served) -> Result<(Services, HealthReporter, Vec<&'static str>)> {
    let Served { routes, content, names, .. } = served.whole();
    let (health, service) = tonic_health::server::health_reporter();
    for name in &names {
        health.set_service_status(*name, ServingStatus::Serving).await;
    }
    let routes = with_reflection(routes.add_service(service), &names)?;
    Ok((Services::new(routes, content), health, names))
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
