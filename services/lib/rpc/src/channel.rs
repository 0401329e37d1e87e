//! Channels: connections that are made when they are needed, and again when the other side comes back.

use std::time::Duration;

use hyper_util::rt::TokioIo;
pub use tonic::transport::Channel;
use tonic::transport::{Endpoint, Uri};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use varve_core::{Error, Result};

use crate::address::Address;
use crate::status::from_status;
use crate::stream::Stream;

/// Bytes under way in one stream and in one connection: a follower of a blob never waits for its
/// peer's acknowledgement, and memory stays bounded.
pub const STREAM_WINDOW: u32 = 1 << 20;
pub const CONNECTION_WINDOW: u32 = 4 << 20;
/// Largest message either side takes: a chunk of a blob and its frame, or a page of a list.
pub const MAX_MESSAGE: usize = 16 << 20;
/// Bytes of a blob in one message.
pub const CHUNK: usize = 256 << 10;

const CONNECT: Duration = Duration::from_secs(5);

/// A channel to `address`, which need not be there yet. Requests fail with Unavailable while it is
/// not, and work again once it is.
pub fn channel(address: &Address) -> Channel {
    let address = address.clone();
    endpoint().connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
        let address = address.clone();
        async move { Stream::connect(&address).await.map(TokioIo::new) }
    }))
}

/// What every connection agrees on. The name in it is never looked up.
pub fn endpoint() -> Endpoint {
    Endpoint::from_static("http://varve.invalid")
        .connect_timeout(CONNECT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

/// Returns once whoever is at the other end of `channel` says that it serves.
///
/// # Errors
/// Unavailable where nobody is there, or where it is about to leave.
pub async fn greet(channel: &Channel) -> Result<()> {
    let request = HealthCheckRequest { service: String::new() };
    let answer = HealthClient::new(channel.clone()).check(request).await.map_err(from_status)?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        _ => Err(Error::unavailable("the service is about to stop")),
    }
}
