//! From a follower of the content store, which is async, to a reader for the thread that extracts.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use varve_core::content::Follower;
use varve_core::{Error, Kind, Result};

/// Chunks (of at most about 1 MiB) between the follower and the extraction.
const CHUNKS: usize = 4;

enum Chunk {
    Bytes(Bytes),
    /// The whole was verified.
    End,
    Failed(Kind, String),
}

/// What the extracting thread reads. It blocks in `read` until bytes come, and fails where the
/// other end is dropped before the end.
pub(super) struct Chunks {
    from: Receiver<Chunk>,
    current: Bytes,
    ended: bool,
}

/// Moves bytes from a follower to [`Chunks`].
pub(super) struct Feed {
    follower: Box<dyn Follower>,
    first: Option<Bytes>,
    to: Sender<Chunk>,
}

/// A feed that has its first bytes, so that what comes after need not wait for a download that has
/// not begun.
pub(super) async fn open(mut follower: Box<dyn Follower>) -> Result<(Feed, Chunks)> {
    let first = follower.next().await?;
    let (to, from) = channel(CHUNKS);
    let chunks = Chunks { from, current: Bytes::new(), ended: false };
    Ok((Feed { follower, first, to }, chunks))
}

impl Feed {
    /// Runs to the end of the follower: `Ok` says that every byte was there and had the digest.
    /// Where nobody reads any more it goes on to find that out.
    pub(super) async fn run(&mut self) -> Result<()> {
        let mut next: Result<_> = Ok(self.first.take());
        loop {
            match next {
                Ok(Some(bytes)) => {
                    let _ = self.to.send(Chunk::Bytes(bytes)).await;
                }
                Ok(None) => {
                    let _ = self.to.send(Chunk::End).await;
                    return Ok(());
                }
                Err(error) => {
                    let _ = self.to.send(Chunk::Failed(error.kind(), error.chain())).await;
                    return Err(error);
                }
            }
            next = self.follower.next().await;
        }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.from.blocking_recv() {
                Some(Chunk::Bytes(bytes)) => self.current = bytes,
                Some(Chunk::End) => self.ended = true,
                Some(Chunk::Failed(kind, why)) => {
                    return Err(io::Error::other(Error::new(kind, why)));
                }
                None => {
                    let gone = Error::new(Kind::Cancelled, "unpacking was cancelled");
                    return Err(io::Error::other(gone));
                }
            }
        }
        let len = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..len]);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;

    struct Script(Vec<Result<Option<Bytes>>>);

    #[async_trait]
    impl Follower for Script {
        async fn next(&mut self) -> Result<Option<Bytes>> {
            self.0.remove(0)
        }
    }

    async fn read(script: Vec<Result<Option<Bytes>>>) -> (Result<()>, io::Result<Vec<u8>>) {
        let (mut feed, mut chunks) = open(Box::new(Script(script))).await.unwrap();
        let reader = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            chunks.read_to_end(&mut all).map(|_| all)
        });
        (feed.run().await, reader.await.unwrap())
    }

    #[tokio::test]
    async fn bytes_arrive_in_order_and_end_only_when_verified() {
        let chunk = |text: &'static str| Ok(Some(Bytes::from(text)));
        let (fed, all) = read(vec![chunk("ab"), chunk(""), chunk("c"), Ok(None)]).await;
        assert_eq!((fed.is_ok(), all.unwrap()), (true, b"abc".to_vec()));
    }

    #[tokio::test]
    async fn a_follower_that_fails_fails_the_reader_with_its_kind() {
        let script = vec![Ok(Some(Bytes::from("ab"))), Err(Error::aborted("truncated"))];
        let (fed, all) = read(script).await;
        assert_eq!(fed.unwrap_err().kind(), Kind::Aborted);
        let error = all.unwrap_err();
        let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
        assert_eq!(inner.kind(), Kind::Aborted);
    }

    #[tokio::test]
    async fn a_reader_whose_feed_is_dropped_does_not_see_an_end() {
        let (feed, mut chunks) = open(Box::new(Script(vec![Ok(None)]))).await.unwrap();
        drop(feed);
        let read = tokio::task::spawn_blocking(move || chunks.read(&mut [0; 8]));
        assert!(read.await.unwrap().is_err());
    }
}
