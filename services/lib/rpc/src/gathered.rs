//! A connection that gathers what is written in one turn of its task and sends it in one call.
//!
//! HTTP/2 writes each frame by itself, and a peer may well ask for frames of no more than 16 KiB (RFC 9113, section
//! 4.2): an answer of 32 KiB with its headers and trailers would take four calls, and wake its reader four times.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are gathered before they are sent within the turn.
const MOST: usize = 64 << 10;

/// What reads and writes.
pub struct Gathered<S>(Arc<Mutex<Inner<S>>>);

/// What sends, at the end of each turn.
pub struct Sender<S>(Arc<Mutex<Inner<S>>>);

struct Inner<S> {
    stream: S,
    /// What is gathered; all before `sent` is on its way.
    bytes: Vec<u8>,
    sent: usize,
    /// Somebody could not write.
    waits: bool,
}

impl<S> Gathered<S> {
    pub fn new(stream: S) -> (Self, Sender<S>) {
        let inner =
            Arc::new(Mutex::new(Inner { stream, bytes: Vec::new(), sent: 0, waits: false }));
        (Self(inner.clone()), Sender(inner))
    }

    /// Nobody else is in there: both ends belong to one task.
    fn inner(&self) -> MutexGuard<'_, Inner<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Sender<S> {
    /// Sends all that was gathered. Answers whether a writer waited for that: it is to be polled again, since nobody
    /// else wakes it.
    pub fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ready!(inner.poll_send(context))?;
        Poll::Ready(Ok(std::mem::take(&mut inner.waits)))
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let stream = Pin::new(&mut self.stream);
            match ready!(stream.poll_write(context, &self.bytes[self.sent..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        self.bytes.clear();
        // What one large frame took is not kept for ever.
        self.bytes.shrink_to(2 * MOST);
        self.sent = 0;
        Pin::new(&mut self.stream).poll_flush(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
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
        let mut inner = self.inner();
        if inner.bytes.len() >= MOST {
            inner.waits = true;
            ready!(inner.poll_send(context))?;
            inner.waits = false;
        }
        let before = inner.bytes.len();
        slices.iter().for_each(|slice| inner.bytes.extend_from_slice(slice));
        Poll::Ready(Ok(inner.bytes.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The turn is not over.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        inner.waits = true;
        ready!(inner.poll_send(context))?;
        inner.waits = false;
        Pin::new(&mut inner.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_is_written_in_one_turn_comes_in_one_piece_when_the_turn_is_over() {
        let (here, mut there) = tokio::io::duplex(1 << 20);
        let (mut gathered, sender) = Gathered::new(here);
        for piece in [&b"one"[..], b"two"] {
            gathered.write_all(piece).await.unwrap();
            gathered.flush().await.unwrap();
        }
        let mut buffer = [0; 64];
        let early =
            tokio::time::timeout(std::time::Duration::from_millis(20), there.read(&mut buffer));
        assert!(early.await.is_err(), "the turn is not over");
        poll_fn(|context| sender.poll_send(context)).await.unwrap();
        assert_eq!(there.read(&mut buffer).await.unwrap(), 6);
        assert_eq!(&buffer[..6], b"onetwo");
    }

    #[tokio::test]
    async fn whoever_writes_more_than_is_gathered_waits_for_the_reader() {
        let (here, mut there) = tokio::io::duplex(1000);
        let (mut gathered, sender) = Gathered::new(here);
        let bytes: Vec<u8> = (0..5 * MOST).map(|n| (n % 251) as u8).collect();
        let sent = bytes.clone();
        let writer = tokio::spawn(async move {
            for piece in sent.chunks(10_000) {
                gathered.write_all(piece).await.unwrap();
                assert!(gathered.inner().bytes.len() < MOST + 10_000);
            }
            poll_fn(|context| sender.poll_send(context)).await.unwrap();
            gathered.shutdown().await.unwrap();
        });
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(!writer.is_finished());
        let mut read = Vec::new();
        there.read_to_end(&mut read).await.unwrap();
        assert!(read == bytes);
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn a_writer_who_waited_for_what_is_sent_is_told_of() {
        let (here, mut there) = tokio::io::duplex(MOST);
        let (mut gathered, sender) = Gathered::new(here);
        let mut context = Context::from_waker(std::task::Waker::noop());
        for _ in 0..2 {
            gathered.write_all(&[0; MOST]).await.unwrap();
        }
        assert!(Pin::new(&mut gathered).poll_write(&mut context, b"more").is_pending());
        assert!(sender.poll_send(&mut context).is_pending());
        there.read_exact(&mut [0; MOST]).await.unwrap();
        assert!(matches!(sender.poll_send(&mut context), Poll::Ready(Ok(true))));
        assert!(matches!(sender.poll_send(&mut context), Poll::Ready(Ok(false))));
    }

    #[tokio::test]
    async fn what_is_gathered_goes_out_before_the_end() {
        let (here, mut there) = tokio::io::duplex(1000);
        let (mut gathered, _sender) = Gathered::new(here);
        gathered.write_all(b"last words").await.unwrap();
        gathered.shutdown().await.unwrap();
        let mut read = String::new();
        there.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "last words");
    }

    #[tokio::test]
    async fn a_reader_that_left_is_an_error_when_the_turn_is_over() {
        let (here, there) = tokio::io::duplex(1000);
        let (mut gathered, sender) = Gathered::new(here);
        drop(there);
        gathered.write_all(b"x").await.unwrap();
        let error = poll_fn(|context| sender.poll_send(context)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
