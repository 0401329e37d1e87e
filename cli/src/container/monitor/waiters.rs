//! Others that come to a container while it runs: each connects to control.sock, and is told the exit status when all
//! is done. One that says so is attached: output goes there, too, and what it types is the program's.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use varve_core::{Error, Result};

use super::console::bind;
use super::ends::Inner;
use super::outlet::Outlet;
use crate::container::wire::Frame;

/// Who waits; once it has ended, how.
#[derive(Default)]
struct All {
    waiting: Vec<(u64, UnixStream)>,
    next: u64,
    ended: Option<u8>,
}

pub struct Waiters {
    all: Arc<Mutex<All>>,
    path: PathBuf,
}

impl Waiters {
    /// Takes them in from now on.
    pub fn listen(dir: &Path, inner: &Arc<Inner>, outlet: &Arc<Outlet>) -> Result<Self> {
        const NAME: &str = "control.sock";
        let (listener, _, _dir) = bind(dir, NAME)?;
        let all = Arc::new(Mutex::new(All::default()));
        let (shared, inner, outlet) = (all.clone(), inner.clone(), outlet.clone());
        let accept = move || {
            for stream in listener.incoming().map_while(|stream| stream.ok()) {
                let (all, inner, outlet) = (shared.clone(), inner.clone(), outlet.clone());
                // One that cannot be heard is told by the state.
                let _ = thread::Builder::new().spawn(move || hear(&stream, &all, &inner, &outlet));
            }
        };
        let failed = |error| Error::io("starting a thread", error);
        thread::Builder::new().spawn(accept).map_err(failed)?;
        Ok(Self { all, path: dir.join(NAME) })
    }

    /// Tells everyone. Who comes later finds the state instead.
    pub fn tell(&self, status: u8) {
        let mut all = lock(&self.all);
        all.ended = Some(status);
        let _ = std::fs::remove_file(&self.path);
        for (_, stream) in all.waiting.drain(..) {
            // A few bytes: a socket's buffer has room for them.
            let _ = Frame::Ended(status).write(&mut &stream);
        }
    }
}

/// Serves one that came, until it goes.
fn hear(stream: &UnixStream, all: &Mutex<All>, inner: &Inner, outlet: &Outlet) {
    let Some(waiter) = enter(stream, all) else { return };
    let mut attached = None;
    while let Ok(Some(frame)) = Frame::read(&mut &*stream) {
        match frame {
            Frame::Attach if attached.is_none() => attached = outlet.attach(stream).ok(),
            frame => inner.hear(&frame),
        }
    }
    attached.iter().for_each(|id| outlet.forget(*id));
    lock(all).waiting.retain(|(id, _)| *id != waiter);
}

/// `None` where there is nothing to wait for any more.
fn enter(stream: &UnixStream, all: &Mutex<All>) -> Option<u64> {
    let mut all = lock(all);
    if let Some(status) = all.ended {
        let _ = Frame::Ended(status).write(&mut &*stream);
        return None;
    }
    all.next += 1;
    let id = all.next;
    all.waiting.push((id, stream.try_clone().ok()?));
    Some(id)
}

fn lock(all: &Mutex<All>) -> MutexGuard<'_, All> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
