//! The life of a server: health and reflection beside the services, requests until it is told to
//! stop, and then a drain that has an end.

use std::time::Duration;

use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::service::Routes;
use tonic::transport::Server;
use varve_core::{Error, Result};
use varve_proto::DESCRIPTORS;

use crate::channel::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::listen::{Listener, Socket};
use crate::shutdown::Shutdown;

/// How long requests that are under way may go on after the shutdown began.
const DRAIN: Duration = Duration::from_secs(10);
/// Requests under way at once on one connection.
const STREAMS: u32 = 1024;

/// Serves `routes` until `shutdown`. `names` are the services that health and reflection tell of,
/// as their packages spell them (`containerd.services.content.v1.Content`).
///
/// From the start of the shutdown health says NOT_SERVING and no connection is accepted; requests
/// under way are given some time and then cancelled. The socket's file goes last.
pub async fn serve(
    listener: Listener,
    routes: Routes,
    names: &[&str],
    shutdown: Shutdown,
) -> Result<()> {
    let address = listener.address().clone();
    let (socket, file) = listener.split();
    let (health, routes) = with_health(routes, names).await;
    let router = server().add_routes(with_reflection(routes, names)?);
    let stop = {
        let (shutdown, health) = (shutdown.clone(), health.clone());
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        async move {
            shutdown.started().await;
            for name in names.iter().map(String::as_str).chain([""]) {
                health.set_service_status(name, tonic_health::ServingStatus::NotServing).await;
            }
        }
    };
    let served = async {
        match socket {
            Socket::Unix(unix) => {
                router.serve_with_incoming_shutdown(UnixListenerStream::new(unix), stop).await
            }
            Socket::Tcp(tcp) => {
                router.serve_with_incoming_shutdown(TcpListenerStream::new(tcp), stop).await
            }
        }
    };
    tracing::info!(%address, "serving");
    let ended = tokio::select! {
        served = served => served,
        () = deadline(&shutdown) => {
            tracing::warn!(%address, "requests that did not end in time are cancelled");
            Ok(())
        }
    };
    drop(file);
    ended.map_err(|error| Error::internal(format!("serving on {address}")).with_source(error))
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

async fn deadline(shutdown: &Shutdown) {
    shutdown.started().await;
    tokio::time::sleep(DRAIN).await;
}

async fn with_health(
    routes: Routes,
    names: &[&str],
) -> (tonic_health::server::HealthReporter, Routes) {
    let (reporter, service) = tonic_health::server::health_reporter();
    for name in names {
        reporter.set_service_status(*name, tonic_health::ServingStatus::Serving).await;
    }
    (reporter, routes.add_service(service))
}

/// Both versions: older tools speak only v1alpha.
fn with_reflection(routes: Routes, names: &[&str]) -> Result<Routes> {
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
