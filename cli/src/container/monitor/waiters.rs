//! Others that wait for a container's end: each connects to control.sock, says nothing, and is told the exit
//! status when all is done.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use varve_core::{Error, Result};

use super::console::bind;
use crate::container::wire::Frame;

/// Who waits; once it has ended, how.
#[derive(Default)]
struct All {
    waiting: Vec<UnixStream>,
    ended: Option<u8>,
}

pub struct Waiters {
    all: Arc<Mutex<All>>,
    path: PathBuf,
}

impl Waiters {
    /// Takes them in from now on.
    pub fn listen(dir: &Path) -> Result<Self> {
        const NAME: &str = "control.sock";
        let (listener, _, _dir) = bind(dir, NAME)?;
        let all = Arc::new(Mutex::new(All::default()));
        let shared = all.clone();
        let accept = move || {
            for stream in listener.incoming().map_while(|stream| stream.ok()) {
                let mut all = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match all.ended {
                    Some(status) => drop(Frame::Ended(status).write(&mut &stream)),
                    None => all.waiting.push(stream),
                }
            }
        };
        let failed = |error| Error::io("starting a thread", error);
        thread::Builder::new().spawn(accept).map_err(failed)?;
        Ok(Self { all, path: dir.join(NAME) })
    }

    /// Tells everyone. Who comes later finds the state instead.
    pub fn tell(&self, status: u8) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.ended = Some(status);
        let _ = std::fs::remove_file(&self.path);
        for stream in all.waiting.drain(..) {
            // A few bytes: a socket's buffer has room for them.
            let _ = Frame::Ended(status).write(&mut &stream);
        }
    }
}
