//! A connection over a unix socket that wakes its owner to write only while it waits to.
//!
//! The kernel tells that such a socket may be written to each time that the other side has read a piece. Whoever
//! asks to be told at all times, as a socket of tokio's does, is woken several times for each answer, in vain.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// A connected socket that does not block.
#[derive(Debug)]
pub struct Unix {
    read: AsyncFd<OwnedFd>,
    /// The same socket, while it takes no more.
    full: Option<AsyncFd<OwnedFd>>,
}

impl Unix {
    /// Takes the socket of a runtime's stream over.
    pub fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let socket = OwnedFd::from(stream.into_std()?);
        Ok(Self { read: told(socket, Interest::READABLE)?, full: None })
    }

    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut nothing = SendAncillaryBuffer::default();
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(sendmsg(self.read.get_ref(), slices, &mut nothing, flags)?)
    }

    /// Waits until the socket takes more.
    fn poll_writable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.full.is_none() {
            let socket = self.read.get_ref().as_fd().try_clone_to_owned()?;
            self.full = Some(told(socket, Interest::WRITABLE)?);
        }
        let full = self.full.as_ref().expect("it was just made");
        ready!(full.poll_write_ready(context))?.clear_ready();
        Poll::Ready(Ok(()))
    }
}

/// Has the runtime told of the socket.
#[expect(deprecated, reason = "what its unsafe successor asks one to promise, an OwnedFd keeps")]
fn told(socket: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(socket, interest)
}

impl AsyncRead for Unix {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.read.poll_read_ready(context))?;
            let wanted = buffer.remaining();
            let spare = buffer.initialize_unfilled();
            match recv(self.read.get_ref(), spare, RecvFlags::DONTWAIT) {
                Ok((read, _)) => {
                    // Less than there was room for: what comes later is told of.
                    if read > 0 && read < wanted {
                        ready.clear_ready();
                    }
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for Unix {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            match this.send(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(this.poll_writable(context))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => {
                    this.full = None;
                    return Poll::Ready(sent);
                }
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(self.read.get_ref(), Shutdown::Write).map_err(io::Error::from))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    fn pair() -> (Unix, Unix) {
        let (a, b) = UnixStream::pair().unwrap();
        (Unix::new(a).unwrap(), Unix::new(b).unwrap())
    }

    #[tokio::test]
    async fn whoever_writes_more_than_the_socket_takes_waits_for_the_reader() {
        let (mut here, mut there) = pair();
        let bytes: Vec<u8> = (0..5 << 20).map(|n: u32| (n % 251) as u8).collect();
        let sent = bytes.clone();
        let writer = tokio::spawn(async move {
            here.write_all(&sent).await.unwrap();
            assert!(here.full.is_none());
            here.shutdown().await.unwrap();
            let mut answer = String::new();
            here.read_to_string(&mut answer).await.unwrap();
            answer
        });
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert!(!writer.is_finished());
        let mut read = Vec::new();
        there.read_to_end(&mut read).await.unwrap();
        assert!(read == bytes);
        there.write_all(b"all of it").await.unwrap();
        drop(there);
        assert_eq!(writer.await.unwrap(), "all of it");
    }

    #[tokio::test]
    async fn a_reader_that_left_is_an_error_and_no_signal() {
        let (mut here, there) = pair();
        drop(there);
        let error = here.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn many_small_pieces_come_one_by_one() {
        let (mut here, mut there) = pair();
        for n in 0..1000_u32 {
            here.write_all(&n.to_le_bytes()).await.unwrap();
            let mut piece = [0; 64];
            assert_eq!(there.read(&mut piece).await.unwrap(), 4);
            assert_eq!(piece[..4], n.to_le_bytes());
        }
    }
}
