//! Channels: connections that are made when they are needed, and again when the other side comes back.

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::address::Address;

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
    endpoint()
        .connect_with_connector_lazy(tower::service_fn(move |_: Uri| connect(address.clone())))
}

/// What every connection agrees on. The name in it is never looked up.
pub fn endpoint() -> Endpoint {
    Endpoint::from_static("http://varve.invalid")
        .connect_timeout(CONNECT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
}

/// Whether somebody answers there now.
pub async fn answers(address: &Address) -> bool {
    match address {
        Address::Unix(path) => UnixStream::connect(path).await.is_ok(),
        Address::Tcp(tcp) => TcpStream::connect(tcp).await.is_ok(),
    }
}

async fn connect(address: Address) -> io::Result<TokioIo<Stream>> {
    let stream: Stream = match address {
        Address::Unix(path) => Box::pin(UnixStream::connect(path).await?),
        Address::Tcp(tcp) => {
            let stream = TcpStream::connect(tcp).await?;
            stream.set_nodelay(true)?;
            Box::pin(stream)
        }
    };
    Ok(TokioIo::new(stream))
}

/// Either kind of connection.
type Stream = std::pin::Pin<Box<dyn Duplex>>;

trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send> Duplex for T {}
