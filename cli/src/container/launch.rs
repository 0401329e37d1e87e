//! Starting a monitor, and what it says first.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use varve_core::{Error, Kind, Result};

use super::job::Job;
use super::wire::{Frame, Refused, Started};
use crate::args::Global;
use crate::failure::Failure;

/// A monitor, and the socket to it.
pub struct Monitor {
    pub stream: UnixStream,
    child: Child,
}

/// Starts one with a job. Blocks until the program runs, or does not: then the failure has the exit status that
/// says so.
pub fn launch(global: &Global, job: &Job) -> Result<(Monitor, Started), Failure> {
    let monitor = spawn(global, job)?;
    match Frame::read(&mut &monitor.stream) {
        Ok(Some(Frame::Started(body))) => Ok((monitor, read(&body)?)),
        Ok(Some(Frame::Refused(body))) => {
            let Refused { status, message } = read(&body)?;
            monitor.join();
            Err(Failure::Refused { error: Error::new(Kind::FailedPrecondition, message), status })
        }
        _ => {
            let log = job.place.file("monitor.log");
            let message = format!("the container's monitor went away; see {}", log.display());
            Err(Error::internal(message).into())
        }
    }
}

fn spawn(global: &Global, job: &Job) -> Result<Monitor> {
    job.place.make()?;
    let failed = |error| Error::io("starting a monitor", error);
    let (stream, theirs) = UnixStream::pair().map_err(failed)?;
    let log = job.place.file("monitor.log");
    let mut options = OpenOptions::new();
    let log = options.write(true).create(true).truncate(true).mode(0o600).open(log);
    let own = std::env::current_exe().map_err(failed)?;
    let child = Command::new(own)
        .args(arguments(global)?)
        .args(["monitor", job.place.id()])
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(log.map_err(failed)?)
        .spawn()
        .map_err(failed)?;
    let body = serde_json::to_vec(job)
        .map_err(|error| Error::internal("a monitor's job").with_source(error))?;
    Frame::Job(body).write(&mut &stream).map_err(failed)?;
    Ok(Monitor { stream, child })
}

/// The same store, for another process in another directory.
fn arguments(global: &Global) -> Result<Vec<String>> {
    let absolute = |path: &std::path::Path| {
        let path = std::path::absolute(path).map_err(|error| Error::io(path.display(), error))?;
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| Error::invalid(format!("{}: must be UTF-8", path.display())))
    };
    let mut arguments = vec!["--namespace".into(), global.namespace.to_string()];
    arguments.extend(["--log".into(), global.log.clone()]);
    if let Some(root) = &global.root {
        arguments.extend(["--root".into(), absolute(root)?]);
    }
    if let Some(address) = &global.address {
        arguments.extend(["--address".into(), address.to_string()]);
    }
    if let Some(config) = &global.config {
        arguments.extend(["--config".into(), absolute(config)?]);
    }
    if let Some(file) = &global.registry_config {
        arguments.extend(["--registry-config".into(), absolute(file)?]);
    }
    for dir in &global.hosts_dirs {
        arguments.extend(["--hosts-dir".into(), absolute(dir)?]);
    }
    Ok(arguments)
}

impl Monitor {
    /// Waits until it has ended, which it does after its last message.
    pub fn join(mut self) {
        let _ = self.child.wait();
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body)
        .map_err(|error| Error::internal("what a monitor says").with_source(error))
}
