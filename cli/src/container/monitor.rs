//! The monitor: a process that owns one run of a container, from its mount to its end, whatever becomes of the
//! command that started it.
//!
//! It is in a session of its own, so that no terminal takes it along, and it is the reaper of what the runtime
//! leaves behind, so that it sees how the program ends. Its standard input is a socket to the command that
//! started it ([`super::wire`]). The store is let go of while the program runs; only to remove the container, where
//! that was asked for, it is opened again.

mod bundle;
pub mod ending;
mod ends;
pub mod log;
mod outlet;
mod pauses;
mod waiters;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::Pid;
use varve_core::{Error, Result};

use super::job::Job;
use super::place::Place;
use super::runtime::{self, Runtime};
use super::signal;
use super::state::{End, State};
use super::wire::{Frame, Refused, Started};
use crate::process;
use ends::Ends;
use outlet::Outlet;
use pauses::Pauses;
use waiters::Waiters;

pub use bundle::{hostname, working_dir};

/// How long after the program's end its last output may take to come.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long a monitor that is about to end may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A program that runs.
pub struct Running {
    job: Job,
    runtime: Runtime,
    client: UnixStream,
    pumps: Vec<thread::JoinHandle<()>>,
    waiters: Waiters,
    state: State,
    pid: Pid,
    /// Held until all is done: nobody else starts or removes the container.
    lock: File,
}

/// Leaves the session of whoever started this process, and takes the socket to them from standard input.
pub fn detach() -> Result<UnixStream> {
    let failed = |errno: rustix::io::Errno| Error::io("becoming a monitor", errno.into());
    // It fails where this process leads a session already: then there is nothing to leave.
    let _ = rustix::process::setsid();
    process::adopt().map_err(|error| Error::io("becoming a monitor", error))?;
    let client = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3).map_err(failed)?;
    let null = OpenOptions::new().read(true).open("/dev/null");
    let null = null.map_err(|error| Error::io("/dev/null", error))?;
    rustix::stdio::dup2_stdin(&null).map_err(failed)?;
    Ok(UnixStream::from(client))
}

/// What there is to do; `None` where whoever started this process has gone.
pub fn job(client: &UnixStream) -> Result<Option<Job>> {
    let failed = |error| Error::io("the job of a monitor", error);
    match Frame::read(&mut &*client).map_err(failed)? {
        Some(Frame::Job(bytes)) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Error::internal("the job of a monitor").with_source(error)),
        Some(_) => Err(Error::internal("a monitor is given its job first")),
        None => Ok(None),
    }
}

/// Why a program does not run, and the status that says so.
pub struct Refusal {
    error: Error,
    status: u8,
}

impl From<Error> for Refusal {
    /// What is no fault of the program's.
    fn from(error: Error) -> Self {
        Self { error, status: runtime::OWN }
    }
}

impl Refusal {
    /// What the runtime says may be.
    fn by_runtime(error: Error) -> Self {
        Self { status: runtime::status_of(error.message()), error }
    }

    fn tell(&self, mut client: &UnixStream) {
        let refused = Refused { status: self.status, message: self.error.chain() };
        let body = serde_json::to_vec(&refused).unwrap_or_default();
        // Whoever has gone need not be told.
        let _ = Frame::Refused(body).write(&mut client);
    }
}

/// Starts the program. Where that fails nothing of it is left, and the client has been told why.
pub fn start(job: Job, client: UnixStream) -> Option<Running> {
    let to = client.try_clone().ok()?;
    claim(job, client).inspect_err(|refusal| refusal.tell(&to)).ok()
}

fn claim(job: Job, client: UnixStream) -> Result<Running, Refusal> {
    let place = job.place.clone();
    let Some(lock) = place.lock_within(PATIENCE)? else {
        return Err(Error::precondition(format!("container {} is running", place.id())).into());
    };
    let runtime = Runtime::find(job.settings.runtime.as_deref(), place.base())?;
    begin(job, &runtime, client, lock).inspect_err(|_| {
        let cleared = ending::clear(&place, &runtime).and_then(|()| State::forget(&place));
        if let Err(error) = cleared {
            tracing::error!("not cleared up: {}", error.chain());
        }
    })
}

fn begin(job: Job, runtime: &Runtime, client: UnixStream, lock: File) -> Result<Running, Refusal> {
    let place = &job.place;
    ending::clear(place, runtime)?;
    bundle::make(&job)?;
    let outlet = Arc::new(Outlet::open(&place.log())?);
    let ends = Ends::make(&job, runtime)?;
    let state = State::new(ends.pid.as_raw_pid().cast_unsigned())?;
    let pauses = Pauses::of(runtime, place);
    let waiters = Waiters::listen(&place.dir(), &ends.inner, &outlet, pauses)?;
    state.save(place)?;
    runtime.start(place).map_err(Refusal::by_runtime)?;
    let started = Started { pid: state.pid, identity: state.program.clone() };
    let started = serde_json::to_vec(&started).unwrap_or_default();
    // Whoever has gone need not be told.
    let _ = Frame::Started(started).write(&mut &client);
    // A terminal, and what was made to be left alone, can be typed to by others later.
    ends.inner.listen(&client, &outlet, job.detached || job.settings.tty)?;
    // Output comes after that message: until then it waits in its pipe.
    let pumps = ends.outputs.into_iter().map(|(stream, file)| outlet.pump(stream, file));
    let pumps = pumps.collect::<Result<Vec<_>>>()?;
    let runtime = runtime.clone();
    Ok(Running { job, runtime, client, pumps, waiters, state, pid: ends.pid, lock })
}

impl Running {
    /// Waits for the program's end, asking it to stop where this process is asked to. Takes away all but its
    /// snapshot, its log and how it ended, and answers that.
    pub async fn watch(&mut self) -> Result<u8> {
        let status = self.end().await?;
        self.hear_the_last_of_it();
        let place = self.job.place.clone();
        ending::clear(&place, &self.runtime)?;
        let end = End { status, at: varve_core::time::now() };
        let state = State { end: Some(end), ..self.state.clone() };
        state.save(&place)?;
        Ok(status)
    }

    /// Tells all who wait. The last thing that is done: they may find the container gone then.
    pub fn tell(self, status: u8) {
        drop(self.lock);
        self.waiters.tell(status);
        // A client that stands still is waited for: all else is done.
        self.pumps.into_iter().for_each(|pump| drop(pump.join()));
        let _ = Frame::Ended(status).write(&mut &self.client);
    }

    pub fn place(&self) -> &Place {
        &self.job.place
    }

    pub fn auto_remove(&self) -> bool {
        self.job.settings.auto_remove
    }

    async fn end(&self) -> Result<u8> {
        use tokio::signal::unix::{SignalKind, signal};
        let pid = self.pid;
        let failed = |error| Error::io("waiting for the program", error);
        let mut asked = signal(SignalKind::terminate()).map_err(failed)?;
        let mut end = tokio::task::spawn_blocking(move || process::wait(pid));
        loop {
            tokio::select! {
                ended = &mut end => {
                    return ended.map_err(|error| failed(error.into()))?.map_err(failed);
                }
                _ = asked.recv() => {
                    let stop = signal::number(&self.job.settings.stop_signal)?;
                    if let Err(error) = self.runtime.kill(self.place(), stop) {
                        tracing::warn!("not stopped: {}", error.chain());
                    }
                }
            }
        }
    }

    /// Output is complete when the pipes are empty; a client that stands still does not hold up the rest.
    fn hear_the_last_of_it(&self) {
        const STEP: Duration = Duration::from_millis(2);
        let steps = LAST_WORDS.as_millis() / STEP.as_millis();
        for _ in 0..steps {
            if self.pumps.iter().all(thread::JoinHandle::is_finished) {
                return;
            }
            thread::sleep(STEP);
        }
    }
}
