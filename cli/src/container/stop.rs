//! Waiting for a container's end, and bringing it about.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use varve_core::{Error, Result};

use super::find::Found;
use super::monitor::ending;
use super::place::Place;
use super::runtime::Runtime;
use super::signal;
use super::state::Status;
use super::wire::Frame;

const KILL: i32 = 9;
/// How often one that has no monitor is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long the kernel and the monitor may take after a kill.
const AFTER_KILL: Duration = Duration::from_secs(20);

/// Sends the stop signal, and after `patience` the one that nothing survives. Blocks until all is cleared up.
pub fn stop(found: &Found, patience: Duration) -> Result<()> {
    let number = signal::number(&found.settings.stop_signal)?;
    if !found.status().is_running() {
        return Ok(());
    }
    send(found, number)?;
    match wait(&found.place, Some(patience))? {
        Some(_) => clear(found),
        None => kill(found),
    }
}

/// Ends it at once. Blocks until all is cleared up.
pub fn kill(found: &Found) -> Result<()> {
    send(found, KILL)?;
    match wait(&found.place, Some(AFTER_KILL))? {
        Some(_) => clear(found),
        None => {
            let id = &found.container.id;
            Err(Error::internal(format!("container {id}: does not end, though it was killed")))
        }
    }
}

/// Takes away what a monitor that was killed has left of a program that has ended: its mount. Blocks.
pub fn clear(found: &Found) -> Result<()> {
    let place = &found.place;
    if !place.bundle().exists() {
        return Ok(());
    }
    // Whoever has the lock does it.
    let Some(_lock) = place.try_lock()? else { return Ok(()) };
    ending::clear(place, &Runtime::find(found.settings.runtime.as_deref(), place.base())?)
}

/// Sends a signal to one that runs; to kill it is to wait for its end, too. Blocks.
pub fn signal(found: &Found, number: i32) -> Result<()> {
    if !found.status().is_running() {
        let (name, id) = (&found.settings.name, &found.container.id);
        return Err(Error::precondition(format!(
            "Cannot kill container: {name}: Container {id} is not running; `varve start` starts it"
        )));
    }
    match number {
        KILL => kill(found),
        _ => send(found, number),
    }
}

/// Sends a signal; that it has ended meanwhile is no error.
fn send(found: &Found, number: i32) -> Result<()> {
    let runtime = Runtime::find(found.settings.runtime.as_deref(), found.place.base())?;
    match runtime.kill(&found.place, number) {
        Err(error) if found.status().is_running() => Err(error),
        _ => Ok(()),
    }
}

/// The exit status, once all is cleared up; `None` where that takes longer than `limit`. Blocks.
pub fn wait(place: &Place, limit: Option<Duration>) -> Result<Option<u8>> {
    let end = limit.map(|limit| Instant::now() + limit);
    let left = || end.map(|end| end.saturating_duration_since(Instant::now()));
    loop {
        // Asked before the state: a monitor that ends between the two has written it.
        if let Ok(stream) = connect(&place.control()) {
            if left().is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            match told(&stream, left()) {
                Ok(Some(Frame::Ended(status))) => return Ok(Some(status)),
                Err(error) if is_timeout(&error) => return Ok(None),
                // It was killed: then the program alone tells.
                _ => {}
            }
        }
        match Status::of(place) {
            Status::Exited { end, .. } if !is_clearing(place) => return Ok(Some(end.status)),
            Status::Created if !place.dir().exists() => return Ok(Some(0)),
            _ => {}
        }
        if left().is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

/// Whether a monitor is still at work.
fn is_clearing(place: &Place) -> bool {
    place.dir().exists() && place.try_lock().is_ok_and(|lock| lock.is_none())
}

fn told(mut stream: &UnixStream, limit: Option<Duration>) -> io::Result<Option<Frame>> {
    stream.set_read_timeout(limit)?;
    Frame::read(&mut stream)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A socket's own name may be longer than the kernel takes: its directory is named by a descriptor.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let socket = rustix::fs::open(path, flags, Mode::empty())?;
    UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd()))
}
