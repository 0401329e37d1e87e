//! What a program is connected to: a terminal, or pipes; and what the client has to say to it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;

use varve_core::{Error, Result};

use super::Refusal;
use super::console;
use super::outlet::Outlet;
use crate::container::job::Job;
use crate::container::runtime::{Io, Runtime};
use crate::container::wire::{Frame, Stream};

/// A container that was made, and the outer ends of what its program is connected to.
pub struct Ends {
    pub pid: u32,
    pub outputs: Vec<(Stream, File)>,
    pub inner: Inner,
}

/// The ends that a client writes to.
pub struct Inner {
    input: Option<File>,
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
    Ok(Ends { pid, outputs, inner: Inner { input, terminal: Some(terminal) } })
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
    Ok(Ends { pid, outputs, inner: Inner { input, terminal: None } })
}

/// Its end to read from, and its end to write to.
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe().map_err(|error| Error::io("making a pipe", error))?;
    Ok((reader.into(), writer.into()))
}

impl Inner {
    /// Does what the client says, in a thread of its own, until the client has gone.
    pub fn listen(
        mut self,
        client: &UnixStream,
        outlet: &Arc<Outlet>,
        detached: bool,
    ) -> Result<()> {
        let failed = |error| Error::io("listening to the client", error);
        let (from, outlet) = (client.try_clone().map_err(failed)?, outlet.clone());
        let listening = move || {
            while let Ok(Some(frame)) = Frame::read(&mut &from) {
                self.hear(&frame, &outlet);
            }
            outlet.forget_client();
            // An input that nobody will ever write to is open still, as with Docker.
            if detached {
                std::mem::forget(self.input);
            }
        };
        thread::Builder::new().spawn(listening).map(drop).map_err(failed)
    }

    fn hear(&mut self, frame: &Frame, outlet: &Outlet) {
        match frame {
            Frame::Input(bytes) => {
                let written = self.input.as_mut().map(|input| input.write_all(bytes));
                // The program does not read any more.
                if let Some(Err(_)) = written {
                    self.input = None;
                }
            }
            Frame::InputEnd => self.input = None,
            Frame::Resize(rows, columns) => {
                self.terminal.iter().for_each(|it| console::resize(it, (*rows, *columns)));
            }
            Frame::Closed(stream) => outlet.close(*stream),
            _ => {}
        }
    }
}
