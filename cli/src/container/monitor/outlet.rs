//! Where a program's output goes: first into the log, then to each client that there is.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use varve_core::{Error, Result};

use super::log::Log;
use crate::container::wire::{Frame, Stream};

const CHUNK: usize = 32 << 10;

/// Shared by the threads of both streams.
pub struct Outlet {
    log: Mutex<Log>,
    clients: Mutex<Vec<Client>>,
    next: AtomicU64,
    /// Who started the program does not read that stream any more: neither do we, as if it were the program's own
    /// reader.
    closed: [AtomicBool; 2],
}

/// One that output goes to.
struct Client {
    id: u64,
    stream: UnixStream,
}

impl Outlet {
    pub fn open(log: &Path) -> Result<Self> {
        let log = Mutex::new(Log::open(log)?);
        Ok(Self {
            log,
            clients: Mutex::default(),
            next: AtomicU64::default(),
            closed: Default::default(),
        })
    }

    /// Output goes to this client, too, from now on. Answers what it is called here.
    pub fn attach(&self, client: &UnixStream) -> Result<u64> {
        let stream = client.try_clone().map_err(|error| Error::io("a client's socket", error))?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.clients).push(Client { id, stream });
        Ok(id)
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

    /// That client has gone.
    pub fn forget(&self, id: u64) {
        lock(&self.clients).retain(|client| client.id != id);
    }

    /// Waits for a client that is slow, and the program with it.
    fn send(&self, stream: Stream, bytes: &[u8]) {
        let mut clients = lock(&self.clients);
        if clients.is_empty() {
            return;
        }
        let frame = Frame::Output(stream, bytes.to_vec());
        clients.retain_mut(|client| frame.write(&mut client.stream).is_ok());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
