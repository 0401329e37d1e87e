//! A program on a terminal of its own, held by this command: what a person types goes there, what the program shows
//! comes here.
//!
//! The runtime only begins the program, and leaves it to this process. A runtime that stayed would take its terminal's
//! output processing off when the program runs already; a shell that had read the settings before puts them back, and
//! each line ends twice.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use varve_core::{Error, Result};

use super::attach::{PATIENCE, Signals};
use super::console::{self, Socket};
use super::runtime::{self, Leaving};
use super::terminal::{self, Raw};
use crate::output;
use crate::process;

/// How long after the program's end its last output may take to come.
const LAST_WORDS: Duration = Duration::from_secs(2);
const CHUNK: usize = 32 << 10;

/// A place for a program that is still to begin.
pub struct Dialog {
    socket: Socket,
    pid: PathBuf,
}

impl Dialog {
    /// Its files are in `dir`. This process adopts what the runtime leaves behind.
    pub fn prepare(dir: &Path) -> Result<Self> {
        process::adopt().map_err(|error| Error::io("adopting a program", error))?;
        Ok(Self { socket: Socket::listen(dir)?, pid: dir.join("pid") })
    }

    /// What the runtime is to do.
    pub fn leaving(&self) -> Leaving<'_> {
        Leaving::To { pid: &self.pid, console: self.socket.path() }
    }

    /// Stays with the program, which the runtime has begun, to its end, and answers how it ended. Blocks.
    pub fn hold(&self, interactive: bool, signals: Signals) -> Result<u8> {
        let terminal = self.socket.accept()?;
        let pid = runtime::read_pid(&self.pid)?;
        fit(&terminal);
        let _raw = interactive.then(Raw::enter).transpose()?;
        let end = |terminal: &File| {
            terminal.try_clone().map_err(|error| Error::io("the program's terminal", error))
        };
        let shown = show(end(&terminal)?)?;
        if interactive {
            type_in(end(&terminal)?)?;
        }
        Handle::current().block_on(until_the_end(pid, &terminal, shown, signals))
    }
}

async fn until_the_end(
    pid: Pid,
    terminal: &File,
    shown: Shown,
    mut signals: Signals,
) -> Result<u8> {
    let failed = |error| Error::io("waiting for the program", error);
    // Not waited for, the number is the program's, whether it has ended or not.
    let program = rustix::process::pidfd_open(pid, PidfdFlags::empty());
    let program = program.map_err(|errno| failed(errno.into()))?;
    let (ended, mut end) = oneshot::channel();
    // A thread of its own, which does not hold up this process where it ends before the program.
    spawn(move || drop(ended.send(process::wait(pid))))?;
    let mut asked = 0;
    let status = loop {
        tokio::select! {
            ended = &mut end => {
                break ended.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)?;
            }
            Some(signal) = signals.next() => {
                pass_on(signal, &program, terminal);
                asked += u32::from(signal == Signal::INT || signal == Signal::TERM);
                if asked >= PATIENCE {
                    return Ok(runtime::OWN);
                }
            }
        }
    };
    shown.whole().await;
    Ok(status)
}

fn pass_on(signal: Signal, program: &OwnedFd, terminal: &File) {
    match signal {
        Signal::WINCH => fit(terminal),
        // One that has ended hears nothing.
        _ => drop(rustix::process::pidfd_send_signal(program, signal)),
    }
}

/// Has the terminal the size of this command's.
fn fit(terminal: &File) {
    terminal::size().into_iter().for_each(|size| console::resize(terminal, size));
}

/// What the program prints, and whether all of it has been shown.
struct Shown {
    done: oneshot::Receiver<()>,
    /// Something is on its way to whoever watches.
    writing: Arc<AtomicBool>,
}

impl Shown {
    /// Waits for the last of it. A child of the program that has the terminal open, and says nothing, is not waited
    /// for; whoever watches slowly is.
    async fn whole(mut self) {
        while tokio::time::timeout(LAST_WORDS, &mut self.done).await.is_err()
            && self.writing.load(Ordering::Relaxed)
        {}
    }
}

/// Shows what the program prints, in a thread. A terminal ends with an error (EIO), when nobody has its inner end
/// open.
fn show(mut terminal: File) -> Result<Shown> {
    let (shown, done) = oneshot::channel();
    let writing = Arc::new(AtomicBool::new(false));
    let busy = writing.clone();
    let showing = move || {
        let mut chunk = vec![0; CHUNK];
        let mut watched = true;
        while let Ok(length @ 1..) = terminal.read(&mut chunk) {
            busy.store(true, Ordering::Relaxed);
            // A program that nobody watches goes on.
            watched = watched && output::write(&chunk[..length]).is_ok();
            busy.store(false, Ordering::Relaxed);
        }
        let _ = shown.send(());
    };
    spawn(showing)?;
    Ok(Shown { done, writing })
}

/// Passes on what is typed, in a thread that ends with this process: nothing else wakes a read.
fn type_in(mut terminal: File) -> Result<()> {
    spawn(move || drop(io::copy(&mut io::stdin().lock(), &mut terminal)))
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<()> {
    let failed = |error| Error::io("starting a thread", error);
    thread::Builder::new().spawn(work).map(drop).map_err(failed)
}
