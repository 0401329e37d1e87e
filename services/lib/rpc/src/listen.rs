//! Listeners: made by whoever owns the process, handed to [`crate::serve`].

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use std::pin::Pin;

use tokio::net::{TcpListener, UnixListener};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use varve_core::{Error, Result};

use crate::address::Address;
use crate::guests::{Counted, Guests};
use crate::stream::Stream;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// A bound socket. Dropped, a unix socket's file is removed, if it is still this one's.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
    file: Option<Bound>,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A socket's file, and the inode by which it is known again.
#[derive(Debug)]
pub(crate) struct Bound {
    path: PathBuf,
    inode: u64,
}

impl Listener {
    /// Binds `address`. A unix socket is for this user alone (0600); one that nobody answers on is
    /// what a killed process left, and is replaced.
    ///
    /// # Errors
    /// Unavailable where another process answers there; the machine's errors.
    pub async fn bind(address: &Address) -> Result<Self> {
        let failed = |error| Error::io(format!("listening on {address}"), error);
        match address {
            Address::Unix(path) => bind_unix(path, address).await,
            Address::Tcp(tcp) => {
                let socket = TcpListener::bind(tcp).await.map_err(failed)?;
                let address = Address::Tcp(socket.local_addr().map_err(failed)?);
                Ok(Self { socket: Socket::Tcp(socket), address, file: None })
            }
        }
    }

    /// The socket that systemd made and passed (sd_listen_fds(3)); it removes the file itself.
    pub fn inherited(fd: OwnedFd) -> Result<Self> {
        let failed = |error| Error::io("the socket that was passed by systemd", error);
        let listener = std::os::unix::net::UnixListener::from(fd);
        listener.set_nonblocking(true).map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        let path = local.as_pathname().ok_or_else(|| {
            Error::invalid("the socket that was passed by systemd is no unix socket with a path")
        })?;
        let address = Address::Unix(path.to_owned());
        let socket = UnixListener::from_std(listener).map_err(failed)?;
        Ok(Self { socket: Socket::Unix(socket), address, file: None })
    }

    /// Where it is reached; the port that was chosen where 0 was asked for.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The connections that come, each counted among `guests`, and what removes the socket's file
    /// when it is dropped.
    pub(crate) fn incoming(
        self,
        guests: Guests,
    ) -> (impl tokio_stream::Stream<Item = io::Result<Counted<Stream>>>, Option<Bound>) {
        let incoming: Pin<Box<dyn tokio_stream::Stream<Item = io::Result<Stream>> + Send>> =
            match self.socket {
                Socket::Unix(unix) => Box::pin(
                    UnixListenerStream::new(unix).map(|stream| stream.and_then(Stream::unix)),
                ),
                Socket::Tcp(tcp) => {
                    Box::pin(TcpListenerStream::new(tcp).map(|stream| stream.and_then(Stream::tcp)))
                }
            };
        (incoming.map(move |stream| stream.map(|stream| guests.welcome(stream))), self.file)
    }
}

/// Bound under another name and moved into place, so that nobody connects before its mode is right.
async fn bind_unix(path: &Path, address: &Address) -> Result<Listener> {
    let failed = |error| Error::io(format!("listening on {address}"), error);
    if Stream::connect(address).await.is_ok() {
        return Err(Error::unavailable(format!("another process listens on {address}")));
    }
    refuse_other_file(path)?;
    if let Some(dir) = path.parent() {
        // Whatever the umask is: who could write there could put a socket of his own in its place.
        fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(failed)?;
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let socket = bind_private(&fresh).map_err(failed)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600)).map_err(failed)?;
    let inode = fs::symlink_metadata(&fresh).map_err(failed)?.ino();
    fs::rename(&fresh, path).map_err(failed)?;
    let file = Some(Bound { path: path.to_owned(), inode });
    Ok(Listener { socket: Socket::Unix(socket), address: address.clone(), file })
}

/// A socket whose file is for this user alone from its first moment: on Linux it gets the mode of the socket.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(0o600))?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

fn refuse_other_file(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(Error::precondition(format!(
            "{}: is there and is no socket; give another address or move it away",
            path.display()
        ))),
        _ => Ok(()),
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let own = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if own {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(dir: &tempfile::TempDir) -> Address {
        Address::Unix(dir.path().join("run/varve.sock"))
    }

    #[tokio::test]
    async fn a_socket_is_for_its_user_alone_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let listener = Listener::bind(&address(&dir)).await.unwrap();
        let path = dir.path().join("run/varve.sock");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_is_never_there_with_another_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new.sock");
        let _socket = bind_private(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_socket_in_use_is_refused_and_one_that_was_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let first = Listener::bind(&address(&dir)).await.unwrap();
        let error = Listener::bind(&address(&dir)).await.unwrap_err();
        assert_eq!(error.kind(), varve_core::Kind::Unavailable);
        drop(first);
        // What a process that was killed leaves: a file that nobody answers on.
        drop(std::os::unix::net::UnixListener::bind(dir.path().join("run/varve.sock")).unwrap());
        Listener::bind(&address(&dir)).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("letter");
        fs::write(&path, "dear").unwrap();
        assert!(Listener::bind(&Address::Unix(path.clone())).await.is_err());
        assert_eq!(fs::read(path).unwrap(), b"dear");
    }
}
