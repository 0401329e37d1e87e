//! The way from a writer to its thread, bounded in bytes.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};
use varve_core::{Error, Hasher, Result};

use super::Ingest;
use super::pump::{Failure, Pump, Request};
use crate::layout::at;
use crate::records::blocking;

/// Bytes in flight between a writer and its thread, at most.
const IN_FLIGHT: usize = 512 << 10;

/// The way to the thread.
pub struct Channel {
    requests: UnboundedSender<Request>,
    failure: Failure,
    room: Arc<Semaphore>,
}

impl Channel {
    /// Reads what the file has already, and starts the thread.
    pub async fn start(ingest: &Arc<Ingest>) -> Result<Self> {
        let baton = Arc::clone(&ingest.baton).lock_owned().await;
        let (requests, receiver) = unbounded_channel();
        let failure = Failure::default();
        let (ingest, told) = (Arc::clone(ingest), Arc::clone(&failure));
        blocking(move || {
            let mut file = open_data(&ingest)?;
            let hasher = rehash(&mut file).map_err(|error| at(&ingest.data(), error))?;
            ingest.found(hasher.len());
            let pump =
                Pump { ingest, file, hasher, _baton: baton, requests: receiver, failure: told };
            let thread = std::thread::Builder::new().name("ingest".into());
            thread
                .spawn(move || pump.run())
                .map_err(|error| Error::io("a writer's thread", error))?;
            Ok(())
        })
        .await?;
        Ok(Self { requests, failure, room: Arc::new(Semaphore::new(IN_FLIGHT)) })
    }

    pub async fn write(&self, bytes: Bytes) -> Result<()> {
        let room = u32::try_from(bytes.len().min(IN_FLIGHT)).unwrap_or(IN_FLIGHT as u32);
        let room = Arc::clone(&self.room).acquire_many_owned(room).await;
        let permit = room.map_err(|_| self.failed())?;
        self.requests.send(Request::Bytes(bytes, permit)).map_err(|_| self.failed())
    }

    /// Asks the thread, and waits until all that was asked before is done.
    pub async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).map_err(|_| self.failed())?;
        if let Ok(answer) = answered.await {
            return Ok(answer);
        }
        // The thread says why before it lets go of its end.
        self.requests.closed().await;
        Err(self.failed())
    }

    fn failed(&self) -> Error {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.unwrap_or_else(|| Error::aborted("the ingest failed before; open it again"))
    }
}

/// Opens the data for appending, made where there is none.
pub fn open_data(ingest: &Ingest) -> Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(ingest.data())
        .map_err(|error| at(&ingest.data(), error))
}

/// Hashes from the start; the file then stands at its end.
pub fn rehash(file: &mut File) -> std::io::Result<Hasher> {
    let mut hasher = Hasher::new();
    if file.metadata()?.len() == 0 {
        return Ok(hasher);
    }
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher),
            Ok(len) => hasher.update(&buffer[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_asks_is_told_why_the_thread_failed() {
        let (requests, mut receiver) = unbounded_channel();
        let (failure, room) = (Failure::default(), Arc::new(Semaphore::new(1)));
        let channel = Channel { requests, failure: Arc::clone(&failure), room };
        let thread = std::thread::spawn(move || {
            drop(receiver.blocking_recv());
            std::thread::sleep(Duration::from_millis(50));
            *failure.lock().unwrap() = Some(Error::exhausted("the disk is full"));
        });
        let error = channel.ask(Request::Sync).await.unwrap_err();
        assert_eq!(error.message(), "the disk is full");
        thread.join().unwrap();
    }
}
