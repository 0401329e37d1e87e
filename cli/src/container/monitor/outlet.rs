//! Where a program's output goes: first into the log, then to the client, if there is one.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use varve_core::{Error, Result};

use super::log::Log;
use crate::container::wire::{Frame, Stream};

const CHUNK: usize = 32 << 10;

/// Shared by the threads of both streams.
pub struct Outlet {
    log: Mutex<Log>,
    client: Mutex<Option<UnixStream>>,
    /// The client does not read that stream any more: neither do we, as if it were the program's own reader.
    closed: [AtomicBool; 2],
}

impl Outlet {
    pub fn open(log: &Path, client: &UnixStream) -> Result<Self> {
        let client = client.try_clone().map_err(|error| Error::io("the client's socket", error))?;
        let log = Mutex::new(Log::open(log)?);
        Ok(Self { log, client: Mutex::new(Some(client)), closed: Default::default() })
    }

    /// A thread that takes all that comes out of `from`, to its end.
    pub fn pump(
        self: &Arc<Self>,
        stream: Stream,
        mut from: File,
    ) -> Result<thread::JoinHandle<()>> {
        let this = self.clone();
        let pump = move || {
            let mut chunk = vec![0; CHUNK];
            // A terminal ends with an error (EIO), when nobody has its inner end open.
            while let Ok(length @ 1..) = from.read(&mut chunk) {
                lock(&this.log).add(stream, &chunk[..length]);
                this.send(stream, &chunk[..length]);
                if this.closed[stream as usize].load(Ordering::Relaxed) {
                    break;
                }
            }
            lock(&this.log).end(stream);
        };
        let failed = |error| Error::io("starting a thread", error);
        thread::Builder::new().spawn(pump).map_err(failed)
    }

    pub fn close(&self, stream: Stream) {
        self.closed[stream as usize].store(true, Ordering::Relaxed);
    }

    /// Output is logged alone from now on.
    pub fn forget_client(&self) {
        lock(&self.client).take();
    }

    /// Waits for a client that is slow, and the program with it.
    fn send(&self, stream: Stream, bytes: &[u8]) {
        let mut client = lock(&self.client);
        let Some(to) = client.as_mut() else { return };
        if Frame::Output(stream, bytes.to_vec()).write(to).is_err() {
            client.take();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
