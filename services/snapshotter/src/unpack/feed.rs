//! From a follower of the content store, which is async, to a reader for the thread that extracts.
//!
//! Where the bytes are in a file that can be seen from here only word of how far it goes passes
//! between the two, and the thread reads them itself, into the buffer that it inflates from. Otherwise
//! the bytes pass.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use varve_core::content::{Extent, Follower};
use varve_core::{Error, Kind, Result};

use super::place::{PARKED, PAUSE, Place};

/// Messages (of at most about 1 MiB, where they carry bytes) between the follower and the extraction.
const MESSAGES: usize = 4;

enum Message {
    Bytes(Bytes),
    Extent(Extent),
    /// Nothing came for a while.
    Pause,
    /// Something comes, and there is a place for it.
    Resume(OwnedSemaphorePermit),
    /// The whole was verified.
    End,
    Failed(Kind, String),
}

/// What the extracting thread reads. It blocks in `read` until bytes come, and fails where the
/// other end is dropped before the end.
pub(crate) struct Chunks {
    from: Receiver<Message>,
    current: Source,
    ended: bool,
    /// Where it reads.
    pub(super) place: Place,
}

/// What can be read without waiting.
enum Source {
    Bytes(Bytes),
    File { file: Arc<File>, at: u64, end: u64 },
}

/// Moves what a follower tells to [`Chunks`].
pub(super) struct Feed {
    follower: Following,
    first: Option<Message>,
    to: Sender<Message>,
}

struct Following {
    follower: Box<dyn Follower>,
    /// The bytes are in no file that can be seen from here.
    sent: bool,
}

/// A feed that has word of its first bytes, so that what comes after need not wait for a download that
/// has not begun.
pub(super) async fn open(follower: Box<dyn Follower>) -> Result<(Feed, Chunks)> {
    let mut follower = Following { follower, sent: false };
    let first = Some(follower.next().await?);
    let (to, from) = channel(MESSAGES);
    let current = Source::Bytes(Bytes::new());
    let chunks = Chunks { from, current, ended: false, place: Place::default() };
    Ok((Feed { follower, first, to }, chunks))
}

impl Following {
    async fn next(&mut self) -> Result<Message> {
        if !self.sent {
            match self.follower.next_extent().await {
                Ok(extent) => return Ok(extent.map_or(Message::End, Message::Extent)),
                Err(error) if error.kind() == Kind::Unimplemented => self.sent = true,
                Err(error) => return Err(error),
            }
        }
        Ok(self.follower.next().await?.map_or(Message::End, Message::Bytes))
    }
}

impl Feed {
    /// Runs to the end of the follower: `Ok` says that every byte was there and had the digest.
    /// Where nobody reads any more it goes on to find that out.
    pub(super) async fn run(&mut self, places: &Arc<Semaphore>) -> Result<()> {
        loop {
            let next = match self.first.take() {
                Some(first) => Ok(first),
                None => self.next(places).await,
            };
            let (message, end) = match next {
                Ok(Message::End) => (Message::End, Some(Ok(()))),
                Ok(message) => (message, None),
                Err(error) => (Message::Failed(error.kind(), error.chain()), Some(Err(error))),
            };
            let _ = self.to.send(message).await;
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// What comes next. Where nothing does for a while, and there is room to wait aside, the reader gives its place
    /// back once it has read what it has, and gets another before it goes on.
    async fn next(&mut self, places: &Arc<Semaphore>) -> Result<Message> {
        let Self { follower, to, .. } = self;
        let mut next = pin!(follower.next());
        if let Ok(next) = timeout(PAUSE, &mut next).await {
            return next;
        }
        let parked = PARKED.try_acquire();
        if parked.is_err() || to.send(Message::Pause).await.is_err() {
            return next.await;
        }
        let next = next.await?;
        // Nobody closes it while there are extractions.
        if let Ok(permit) = Arc::clone(places).acquire_owned().await {
            let _ = to.send(Message::Resume(permit)).await;
        }
        Ok(next)
    }
}

impl Source {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { at, end, .. } => end - at,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.len()).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..len];
        match self {
            Self::Bytes(bytes) => bytes.copy_to_slice(buffer),
            Self::File { file, at, .. } => {
                let read = file.read_at(buffer, *at)?;
                if read == 0 {
                    // The follower is about to say so too.
                    let anew = Error::aborted("the ingest that was followed began anew");
                    return Err(io::Error::other(anew));
                }
                *at += read as u64;
                return Ok(read);
            }
        }
        Ok(len)
    }
}

impl Chunks {
    /// Waits for what comes next.
    fn advance(&mut self) -> io::Result<()> {
        match self.from.blocking_recv() {
            Some(Message::Bytes(bytes)) => self.current = Source::Bytes(bytes),
            Some(Message::Extent(extent)) => self.extend(extent),
            Some(Message::Pause) => self.place.give_back(),
            Some(Message::Resume(permit)) => self.place.take(permit),
            Some(Message::End) => self.ended = true,
            Some(Message::Failed(kind, why)) => {
                return Err(io::Error::other(Error::new(kind, why)));
            }
            None => {
                let gone = Error::new(Kind::Cancelled, "unpacking was cancelled");
                return Err(io::Error::other(gone));
            }
        }
        Ok(())
    }

    /// An extent counts from the start of the file, and reading goes on where it was.
    fn extend(&mut self, extent: Extent) {
        let Extent { file, end, .. } = extent;
        let at = match &self.current {
            Source::File { at, .. } => *at,
            Source::Bytes(_) => 0,
        };
        self.current = Source::File { file, at, end };
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.len() == 0 && !self.ended {
            self.advance()?;
        }
        match self.current.len() {
            0 => Ok(0),
            _ => self.current.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use async_trait::async_trait;

    use super::*;

    /// Bytes that are sent.
    struct Script(Vec<Result<Option<Bytes>>>);

    /// Ends of what can be read of a file.
    struct Ends(Arc<File>, Vec<Result<Option<u64>>>);

    #[async_trait]
    impl Follower for Ends {
        async fn next(&mut self) -> Result<Option<Bytes>> {
            panic!("the file can be read")
        }

        async fn next_extent(&mut self) -> Result<Option<Extent>> {
            let end = self.1.remove(0)?;
            Ok(end.map(|end| Extent { file: self.0.clone(), path: "file".into(), end }))
        }
    }

    #[async_trait]
    impl Follower for Script {
        async fn next(&mut self) -> Result<Option<Bytes>> {
            self.0.remove(0)
        }
    }

    async fn read(script: Vec<Result<Option<Bytes>>>) -> (Result<()>, io::Result<Vec<u8>>) {
        all_of(Box::new(Script(script))).await
    }

    async fn all_of(follower: Box<dyn Follower>) -> (Result<()>, io::Result<Vec<u8>>) {
        let (mut feed, mut chunks) = open(follower).await.unwrap();
        let reader = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            chunks.read_to_end(&mut all).map(|_| all)
        });
        (feed.run(&Arc::new(Semaphore::new(1))).await, reader.await.unwrap())
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

    async fn read_file(
        bytes: &[u8],
        ends: Vec<Result<Option<u64>>>,
    ) -> (Result<()>, io::Result<Vec<u8>>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        all_of(Box::new(Ends(Arc::new(file), ends))).await
    }

    #[tokio::test]
    async fn a_file_is_read_as_far_as_the_follower_says() {
        let (fed, all) = read_file(b"abcdef", vec![Ok(Some(2)), Ok(Some(5)), Ok(None)]).await;
        assert_eq!((fed.is_ok(), all.unwrap()), (true, b"abcde".to_vec()));
    }

    #[tokio::test]
    async fn a_file_that_is_shorter_than_the_follower_said_sends_the_reader_back() {
        let cut = vec![Ok(Some(5)), Err(Error::aborted("truncated"))];
        let (fed, all) = read_file(b"abc", cut).await;
        assert_eq!(fed.unwrap_err().kind(), Kind::Aborted);
        let error = all.unwrap_err();
        let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
        assert_eq!(inner.kind(), Kind::Aborted);
    }
}
