//! `varve exec`: one more program in a container that runs.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use clap::Args;
use rustix::process::{Pid, PidfdFlags};
use tokio::runtime::Handle;
use varve_core::{Error, Result};

use super::env;
use crate::args::Global;
use crate::container::attach::Signals;
use crate::container::below::Below;
use crate::container::dialog::Dialog;
use crate::container::find::{self, Found};
use crate::container::monitor::{hostname, working_dir};
use crate::container::place::{self, Base, Place};
use crate::container::runtime::{self, Leaving, Runtime};
use crate::container::settings::Settings;
use crate::container::spec::{self, Program};
use crate::container::{name, terminal, users};
use crate::failure::{self, Failure};
use crate::life;

/// Run one more program in a container
///
/// It has the container's variables, user and working directory, unless others are given. The exit status is the
/// program's; 126 where it cannot be run, 127 where there is none.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  varve exec -it web sh\n  varve exec -u nobody -w /srv web ls -l"
)]
pub struct Exec {
    /// Keep the program's input open
    #[arg(long, short)]
    interactive: bool,
    /// Give the program a terminal
    #[arg(long, short)]
    tty: bool,
    /// Do not wait for its end
    #[arg(long, short, conflicts_with_all = ["interactive", "tty"])]
    detach: bool,
    /// Set a variable, or pass on one of this shell's; may be given again
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Whom it runs as, by the image's own passwd and group
    #[arg(long, short, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Where the program begins; made where it is missing
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The program and its arguments
    #[arg(value_name = "COMMAND", required = true)]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Exec {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        super::run::need_root()?;
        if self.tty {
            terminal::need_any()?;
        }
        if self.tty && self.interactive {
            terminal::need()?;
        }
        let base = Base::of(global)?;
        let text = self.container.clone();
        let work =
            async |session: &crate::session::Session| Ok(find::find(session, &base, &text).await?);
        let found = life::with(global, work).await?;
        if !found.status().is_running() {
            let id = &found.container.id;
            let message = format!("Container {id} is not running; `varve start` starts it");
            return Err(Error::precondition(message).into());
        }
        let signals = if self.detach { Signals::none() } else { Signals::listen()? };
        let done = tokio::task::spawn_blocking(move || self.execute(&found, signals)).await;
        let done = done.map_err(|error| Error::internal("a program").with_source(error)).flatten();
        failure::ended(done.map_err(|error| Failure::from(error).own())?)
    }

    /// Blocks until the program has ended.
    fn execute(&self, found: &Found, signals: Signals) -> Result<u8> {
        let runtime = Runtime::find(found.settings.runtime.as_deref(), found.place.base())?;
        let scratch = Scratch::new(&found.place)?;
        let (process, log) = (scratch.0.join("process.json"), scratch.0.join("log"));
        std::fs::write(&process, self.process(found)?)
            .map_err(|error| Error::io(process.display(), error))?;
        let command = |leaving: Leaving<'_>| runtime.exec(&found.place, &process, &log, &leaving);
        let dialog = self.tty.then(|| Dialog::prepare(&scratch.0)).transpose()?;
        let status = match (&dialog, self.detach) {
            (Some(dialog), _) => {
                command(dialog.leaving()).stdin(Stdio::null()).stdout(Stdio::null()).status()
            }
            (None, true) => {
                let null = || Stdio::null();
                command(Leaving::Behind).stdin(null()).stdout(null()).stderr(null()).status()
            }
            (None, false) => return self.on_pipes(command(Leaving::Never), signals, &log),
        };
        let status = status.map_err(failed)?;
        match dialog {
            // The status is the runtime's, and not the program's.
            _ if !status.success() => Ok(refused(&log).unwrap_or(runtime::OWN)),
            Some(dialog) => dialog.hold(self.interactive, signals),
            None => Ok(0),
        }
    }

    /// The spec's *process*.
    fn process(&self, found: &Found) -> Result<String> {
        let settings = &found.settings;
        let below = Below::open(&found.place.rootfs())?;
        let user = users::resolve(&below, self.user.as_deref().unwrap_or(&settings.user))?;
        let wanted = self.workdir.as_deref().unwrap_or(&settings.working_dir);
        let working_dir = working_dir(&below, wanted)?;
        let asked = env::read(&[], &self.env)?;
        let env = Settings::merge_env(settings.env.iter().cloned().chain(asked));
        let merged = Settings { env, tty: self.tty, ..settings.clone() };
        let hostname = hostname(settings, found.place.id());
        let program = Program {
            args: &self.command,
            env: spec::env(&merged, &user, &hostname),
            working_dir: &working_dir,
            user: &user,
            tty: self.tty,
            size: terminal::size(),
            no_new_privileges: settings.no_new_privileges,
        };
        Ok(spec::process(&program).to_string())
    }

    /// Pipes of our own: a runtime gives them to the container's user, which must not happen to a person's files.
    fn on_pipes(&self, mut command: Command, signals: Signals, log: &Path) -> Result<u8> {
        command.stdin(if self.interactive { Stdio::piped() } else { Stdio::null() });
        // Signals of a person's terminal come by way of this process, like all others, and so once.
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        pass_on(&child, signals)?;
        if let Some(mut stdin) = child.stdin.take() {
            // It ends with this process: nothing else wakes a read.
            thread::spawn(move || io::copy(&mut io::stdin().lock(), &mut stdin));
        }
        let out = child.stdout.take().map(|out| thread::spawn(move || copy(out, io::stdout())));
        let err = child.stderr.take().map(|err| thread::spawn(move || copy(err, io::stderr())));
        let status = child.wait().map_err(failed)?;
        [out, err].into_iter().flatten().for_each(|thread| drop(thread.join()));
        // The runtime has said why already; its own status says less than Docker's.
        let refused = if status.success() { None } else { refused(log) };
        Ok(refused.unwrap_or_else(|| shell_status(status)))
    }
}

fn failed(error: io::Error) -> Error {
    Error::io("running a program", error)
}

/// The status for a program that the runtime could not run.
fn refused(log: &Path) -> Option<u8> {
    runtime::last_error(log).map(|why| runtime::status_of(&why))
}

/// Signals that come here go to the runtime, which passes them on to the program.
fn pass_on(runtime: &Child, mut signals: Signals) -> Result<()> {
    let runtime = rustix::process::pidfd_open(Pid::from_child(runtime), PidfdFlags::empty());
    let runtime = runtime.map_err(|errno| failed(errno.into()))?;
    Handle::current().spawn(async move {
        while let Some(signal) = signals.next().await {
            // One that has ended hears nothing.
            let _ = rustix::process::pidfd_send_signal(&runtime, signal);
        }
    });
    Ok(())
}

/// A directory of one exec; it goes with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(place: &Place) -> Result<Self> {
        let dir = place.file(&format!("exec-{}", &name::new_id()?[..16]));
        place::make_dir(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// To its end, or until nobody reads it: then the program fails to write.
fn copy(mut from: impl Read, mut to: impl Write) {
    let mut chunk = vec![0; 32 << 10];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..length]).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}

fn shell_status(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| 128_u8.wrapping_add(signal as u8));
    signal.unwrap_or_else(|| status.code().unwrap_or_default() as u8)
}
