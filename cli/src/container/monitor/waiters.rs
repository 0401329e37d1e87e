//! Others that come to a container while it runs: each connects to control.sock, and is told the exit status when all
//! is done. One that says so is attached: output goes there, too, and what it types is the program's. For one that asks
//! for it the program stands still until that one has gone, and were it killed.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use varve_core::{Error, Result};

use super::ends::Inner;
use super::outlet::Outlet;
use super::pauses::{Pause, Pauses};
use crate::container::console::bind;
use crate::container::runtime;
use crate::container::wire::{Frame, Refused};

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
    pub fn listen(
        dir: &Path,
        inner: &Arc<Inner>,
        outlet: &Arc<Outlet>,
        pauses: Pauses,
    ) -> Result<Self> {
        const NAME: &str = "control.sock";
        let (listener, _, _dir) = bind(dir, NAME)?;
        let all = Arc::new(Mutex::new(All::default()));
        let (shared, pauses) = (all.clone(), Arc::new(pauses));
        let (inner, outlet) = (inner.clone(), outlet.clone());
        let accept = move || {
            for stream in listener.incoming().map_while(|stream| stream.ok()) {
                let (all, pauses) = (shared.clone(), pauses.clone());
                let (inner, outlet) = (inner.clone(), outlet.clone());
                let serve = move || hear(&stream, &all, &inner, &outlet, &pauses);
                // One that cannot be heard is told by the state.
                let _ = thread::Builder::new().spawn(serve);
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
fn hear(stream: &UnixStream, all: &Mutex<All>, inner: &Inner, outlet: &Outlet, pauses: &Pauses) {
    let Some(waiter) = enter(stream, all) else { return };
    let (mut attached, mut paused) = (None, None);
    while let Ok(Some(frame)) = Frame::read(&mut &*stream) {
        match frame {
            Frame::Attach if attached.is_none() => attached = outlet.attach(stream).ok(),
            Frame::Pause if paused.is_none() => paused = pause(stream, pauses),
            frame => inner.hear(&frame),
        }
    }
    // Before its socket is closed: whoever waits for that finds the program going on.
    drop(paused);
    attached.iter().for_each(|id| outlet.forget(*id));
    lock(all).waiting.retain(|(id, _)| *id != waiter);
}

/// Tells the client what came of it.
fn pause<'a>(mut stream: &UnixStream, pauses: &'a Pauses) -> Option<Pause<'a>> {
    let paused = pauses.begin();
    let answer = match &paused {
        Ok(_) => Frame::Paused,
        Err(error) => {
            let refused = Refused { status: runtime::OWN, message: error.chain() };
            Frame::Refused(serde_json::to_vec(&refused).unwrap_or_default())
        }
    };
    // One that has gone is noticed at the next read.
    let _ = answer.write(&mut stream);
    paused.ok()
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
