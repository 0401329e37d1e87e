//! Staying with a program: its output comes here, what is typed and the signals that come here go there.

mod keys;

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use varve_core::{Error, Result};

use super::settings::Settings;
use super::terminal::{self, Raw};
use super::wire::{Frame, Started, Stream};
use crate::failure;
use crate::output;
use crate::process;
use keys::Watch;

pub use keys::Keys;

/// What is passed on. A window that changes is a message, and only with a terminal; a program that is stopped
/// (TSTP) is this one.
const PASSED_ON: [Signal; 7] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
];
/// After so many requests to stop, this command ends without its program.
pub const PATIENCE: u32 = 3;
const CHUNK: usize = 32 << 10;

/// Signals that come to this process, from now on and in their order.
pub struct Signals(mpsc::Receiver<Signal>);

impl Signals {
    pub fn listen() -> Result<Self> {
        let (to, all) = mpsc::channel(8);
        for one in PASSED_ON.into_iter().chain([Signal::WINCH]) {
            let kind = SignalKind::from_raw(one.as_raw());
            let mut coming = signal(kind).map_err(|error| Error::io("signals", error))?;
            let to = to.clone();
            tokio::spawn(async move {
                while coming.recv().await.is_some() && to.send(one).await.is_ok() {}
            });
        }
        Ok(Self(all))
    }

    /// The next one. Those that come while nobody waits here are kept.
    pub async fn next(&mut self) -> Option<Signal> {
        self.0.recv().await
    }

    /// None: whoever goes another way with them needs no hearing.
    pub fn none() -> Self {
        Self(mpsc::channel(1).1)
    }
}

/// Why nobody stays any longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The program ended with that status.
    Ended(u8),
    /// A person typed the keys that leave it.
    Detached,
    /// A person asked it to stop so often that nothing but leaving helps.
    GivenUp,
}

/// The program, seen from here.
struct Program {
    /// Messages for the monitor. They wait where its socket is full, and this command does not.
    to: std_mpsc::Sender<Frame>,
    /// `None` where it has gone already.
    process: Option<OwnedFd>,
    closed: [bool; 2],
    asked: u32,
}

/// Stays until the program has ended, or a person leaves it.
pub async fn attach(
    stream: UnixStream,
    started: &Started,
    settings: &Settings,
    mut signals: Signals,
    keys: &Keys,
) -> failure::Result<Outcome> {
    let failed = |error| Error::io("the monitor's socket", error);
    let raw = (settings.tty && settings.open_stdin).then(Raw::enter).transpose()?;
    let to = Arc::new(Mutex::new(stream.try_clone().map_err(failed)?));
    let (leave, mut left) = mpsc::channel(1);
    if settings.open_stdin {
        let watch = raw.is_some().then(|| Watch::new(keys.clone()));
        type_in(to.clone(), watch, leave.clone())?;
    }
    let process = open(started);
    let mut program = Program { to: messages(to)?, process, closed: [false; 2], asked: 0 };
    let mut frames = frames(stream)?;
    loop {
        tokio::select! {
            frame = frames.recv() => match frame {
                Some(Frame::Output(stream, bytes)) => program.print(stream, &bytes),
                Some(Frame::Ended(status)) => {
                    drop(raw);
                    return Ok(Outcome::Ended(status));
                }
                Some(_) => {}
                None => {
                    return Err(Error::internal(
                        "the container's monitor went away; `varve ps -a` tells what is left",
                    ).into());
                }
            },
            Some(signal) = signals.next() => {
                if !program.pass_on(signal, settings.tty) {
                    return Ok(Outcome::GivenUp);
                }
            }
            Some(()) = left.recv() => {
                drop(raw);
                return Ok(Outcome::Detached);
            }
        }
    }
}

/// The process, unless that number has come to mean another one.
fn open(started: &Started) -> Option<OwnedFd> {
    let pid = Pid::from_raw(started.pid.cast_signed())?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
    (!process::is_gone(&started.identity)).then_some(process)
}

impl Program {
    /// A reader that goes away is the program's affair: it is told, and fails to write as if it were alone.
    fn print(&mut self, stream: Stream, bytes: &[u8]) {
        let closed = &mut self.closed[stream as usize];
        if *closed {
            return;
        }
        *closed = match stream {
            Stream::Stdout => output::write(bytes).is_err(),
            Stream::Stderr => io::stderr().write_all(bytes).is_err(),
        };
        if *closed {
            let _ = self.to.send(Frame::Closed(stream));
        }
    }

    /// False where a person has asked so often that nothing but leaving helps.
    fn pass_on(&mut self, signal: Signal, tty: bool) -> bool {
        if signal == Signal::WINCH && tty {
            let size = terminal::size();
            let message = size.map(|(rows, columns)| Frame::Resize(rows, columns));
            message.into_iter().for_each(|message| drop(self.to.send(message)));
            return true;
        }
        if let Some(process) = &self.process {
            let _ = rustix::process::pidfd_send_signal(process, signal);
        }
        self.asked += u32::from(signal == Signal::INT || signal == Signal::TERM);
        self.asked < PATIENCE
    }
}

/// Sends messages between the pieces of input.
fn messages(to: Arc<Mutex<UnixStream>>) -> Result<std_mpsc::Sender<Frame>> {
    let (sender, messages) = std_mpsc::channel::<Frame>();
    let sending = move || {
        for message in messages {
            let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
            if message.write(&mut *to).is_err() {
                return;
            }
        }
    };
    let failed = |error| Error::io("starting a thread", error);
    thread::Builder::new().spawn(sending).map_err(failed)?;
    Ok(sender)
}

/// Sends what is typed, in a thread that ends with this process: nothing else wakes a read. The keys that `watch`
/// looks for are no input.
fn type_in(
    to: Arc<Mutex<UnixStream>>,
    mut watch: Option<Watch>,
    leave: mpsc::Sender<()>,
) -> Result<()> {
    let typing = move || {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = io::stdin().lock().read(&mut chunk);
            let frame = match read {
                Ok(length @ 1..) => match watch.as_mut().map(|it| it.take(&chunk[..length])) {
                    Some((_, true)) => {
                        let _ = leave.blocking_send(());
                        return;
                    }
                    Some((typed, false)) => Frame::Input(typed),
                    None => Frame::Input(chunk[..length].to_vec()),
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                _ => Frame::InputEnd,
            };
            let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
            if frame.write(&mut *to).is_err() || frame == Frame::InputEnd {
                return;
            }
        }
    };
    let failed = |error| Error::io("starting a thread", error);
    thread::Builder::new().spawn(typing).map(drop).map_err(failed)
}

/// What the monitor says, one after the other; it waits while nobody listens.
fn frames(from: UnixStream) -> Result<mpsc::Receiver<Frame>> {
    let (to, frames) = mpsc::channel(8);
    let reading = move || {
        while let Ok(Some(frame)) = Frame::read(&mut &from) {
            if to.blocking_send(frame).is_err() {
                return;
            }
        }
    };
    let failed = |error| Error::io("starting a thread", error);
    thread::Builder::new().spawn(reading).map(drop).map_err(failed)?;
    Ok(frames)
}
