//! What a program is connected to: a terminal, or pipes; and what clients have to say to it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::process::Pid;
use varve_core::{Error, Result};

use super::Refusal;
use super::outlet::Outlet;
use crate::container::console;
use crate::container::job::Job;
use crate::container::runtime::{Io, Runtime};
use crate::container::wire::{Frame, Stream};

/// A container that was made, and the outer ends of what its program is connected to.
pub struct Ends {
    pub pid: Pid,
    pub outputs: Vec<(Stream, File)>,
    pub inner: Arc<Inner>,
}

/// The ends that clients write to.
pub struct Inner {
    input: Mutex<Option<File>>,
    terminal: Option<File>,
}

impl Ends {
    /// Has the runtime make the container. Blocks.
    pub fn make(job: &Job, runtime: &Runtime) -> Result<Self, Refusal> {
        match job.settings.tty {
            true => on_terminal(job, runtime),
            false => on_pipes(job, runtime),
        }
    }
}

fn on_terminal(job: &Job, runtime: &Runtime) -> Result<Ends, Refusal> {
    let socket = console::Socket::listen(&job.place.bundle())?;
    let null = || Stdio::null();
    let console = Some(socket.path().to_owned());
    let io = Io { stdin: null(), stdout: null(), stderr: null(), console };
    let pid = runtime.create(&job.place, io).map_err(Refusal::by_runtime)?;
    let terminal = socket.accept()?;
    if let Some(size) = job.size {
        console::resize(&terminal, size);
    }
    let again = || terminal.try_clone().map_err(|error| Error::io("the terminal", error));
    let outputs = vec![(Stream::Stdout, again()?)];
    let input = if job.settings.open_stdin { Some(again()?) } else { None };
    Ok(Ends { pid, outputs, inner: Inner::of(input, Some(terminal)) })
}

/// Pipes of our own: a runtime gives them to the container's user, which must not happen to a person's files.
fn on_pipes(job: &Job, runtime: &Runtime) -> Result<Ends, Refusal> {
    let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
    let (stdin, input) = match job.settings.open_stdin {
        true => {
            let (stdin, input) = pipe()?;
            (Stdio::from(stdin), Some(File::from(input)))
        }
        false => (Stdio::null(), None),
    };
    let io = Io { stdin, stdout: stdout.into(), stderr: stderr.into(), console: None };
    let pid = runtime.create(&job.place, io).map_err(Refusal::by_runtime)?;
    let outputs = vec![(Stream::Stdout, File::from(out)), (Stream::Stderr, File::from(err))];
    Ok(Ends { pid, outputs, inner: Inner::of(input, None) })
}

/// Its end to read from, and its end to write to.
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe().map_err(|error| Error::io("making a pipe", error))?;
    Ok((reader.into(), writer.into()))
}

impl Inner {
    fn of(input: Option<File>, terminal: Option<File>) -> Arc<Self> {
        Arc::new(Self { input: Mutex::new(input), terminal })
    }

    /// Does what the one who started the program says, in a thread of its own, until that one has gone. Then the
    /// program's input ends, unless it was left open for others who attach.
    pub fn listen(
        self: &Arc<Self>,
        starter: &UnixStream,
        outlet: &Arc<Outlet>,
        stays_open: bool,
    ) -> Result<()> {
        let failed = |error| Error::io("listening to the client", error);
        let from = starter.try_clone().map_err(failed)?;
        let (this, outlet, id) = (self.clone(), outlet.clone(), outlet.attach(starter)?);
        let listening = move || {
            while let Ok(Some(frame)) = Frame::read(&mut &from) {
                match frame {
                    Frame::InputEnd => this.end_input(),
                    Frame::Closed(stream) => outlet.close(stream),
                    frame => this.hear(&frame),
                }
            }
            outlet.forget(id);
            if !stays_open {
                this.end_input();
            }
        };
        thread::Builder::new().spawn(listening).map(drop).map_err(failed)
    }

    /// What any client may say.
    pub fn hear(&self, frame: &Frame) {
        match frame {
            Frame::Input(bytes) => {
                let mut input = self.input();
                let written = input.as_mut().map(|input| input.write_all(bytes));
                // The program does not read any more.
                if let Some(Err(_)) = written {
                    *input = None;
                }
            }
            Frame::Resize(rows, columns) => {
                self.terminal.iter().for_each(|it| console::resize(it, (*rows, *columns)));
            }
            _ => {}
        }
    }

    fn end_input(&self) {
        *self.input() = None;
    }

    fn input(&self) -> MutexGuard<'_, Option<File>> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
