//! `varve run`: a program in a new container.

use std::sync::Arc;

use clap::Args;
use varve_core::containers::Container;
use varve_core::{Error, Mount, Result, Scope};

use super::options::Options;
use crate::args::Global;
use crate::container::attach::{self, Signals};
use crate::container::create;
use crate::container::find::Found;
use crate::container::job::Job;
use crate::container::launch;
use crate::container::place::Base;
use crate::container::remove;
use crate::container::settings::Settings;
use crate::container::terminal;
use crate::failure::{self, Failure};
use crate::life;
use crate::output;
use crate::progress;
use crate::session::Session;

/// Run a program in a new container
///
/// The image is pulled where it is not here. The container sees the machine's network, or none: there is no bridge.
/// The exit status is the program's; 125 where varve failed, 126 where the program cannot be run, 127 where there is
/// none. It takes runc or crun, and root.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve run --rm -it alpine sh\n  \
    varve run --rm -v \"$PWD\":/src:ro -w /src alpine ls -l\n  \
    varve run -d --name web -e PORT=8080 127.0.0.1:5000/lab/web:1\n  \
    varve run --rm --network none --read-only -u nobody alpine id")]
pub struct Run {
    /// Remove the container when its program ends
    #[arg(long)]
    rm: bool,
    /// Leave the program to itself and print the container's id
    #[arg(long, short)]
    detach: bool,
    #[command(flatten)]
    options: Options,
}

impl Run {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        self.go(global).await.map_err(Failure::own)
    }

    async fn go(self, global: &Global) -> failure::Result<()> {
        need_root()?;
        if self.options.tty && self.options.interactive && !self.detach {
            terminal::need()?;
        }
        let base = Base::of(global)?;
        let make = async |session: &Session| Ok(self.make(session, &base).await?);
        let ((container, mounts), store) = life::before(global, make).await?;
        let found = Found::of(&Scope::of(global.namespace.clone()), container, &base)?;
        let stay = if self.detach { Stay::Left } else { Stay::Typing };
        let outcome = start(global, &found, mounts, stay).await;
        if self.detach && outcome.is_ok() {
            output::write(format!("{}\n", found.container.id).as_bytes())?;
        }
        let closed = store.await.map_err(|error| Error::internal("a task").with_source(error));
        outcome.and(closed.flatten().map_err(Failure::from))
    }

    async fn make(&self, session: &Session, base: &Base) -> Result<(Container, Vec<Mount>)> {
        remove::sweep(session, base).await?;
        let prepared = self.options.prepare(session, self.rm).await?;
        create::create(session, base, prepared.plan()).await
    }
}

/// Whether a command stays with a program that it starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stay {
    Left,
    /// Its output comes here.
    Watching,
    /// And what is typed here goes there, where the program's input is open.
    Typing,
}

/// Starts a container's program, and stays with it unless it is to be left.
pub async fn start(
    global: &Global,
    found: &Found,
    mounts: Vec<Mount>,
    stay: Stay,
) -> failure::Result<()> {
    let signals = Signals::listen()?;
    let (detached, typing) = (stay != Stay::Typing, stay == Stay::Typing);
    let size = if stay == Stay::Left { None } else { terminal::size() };
    let (place, settings) = (found.place.clone(), found.settings.clone());
    let job = Job { place, settings, mounts, detached, size };
    let for_monitor = Arc::new(global.clone());
    let (to, work) = (for_monitor.clone(), job.clone());
    let launched = tokio::task::spawn_blocking(move || launch::launch(&to, &work)).await;
    let launched = launched.map_err(|error| Error::internal("starting").with_source(error))?;
    let (monitor, started) = match launched {
        Ok(launched) => launched,
        Err(failure) => {
            if let Err(also) = give_up(global, found).await {
                also.message().iter().for_each(|message| progress::warn(message));
            }
            return Err(failure);
        }
    };
    if stay == Stay::Left {
        return Ok(());
    }
    let stream = monitor.stream.try_clone().map_err(|error| Error::io("a socket", error))?;
    let settings =
        Settings { open_stdin: found.settings.open_stdin && typing, ..found.settings.clone() };
    match attach::attach(stream, &started, &settings, signals).await? {
        Some(status) => {
            monitor.join();
            failure::ended(status)
        }
        None => Err(Failure::Interrupted { resumes: false }),
    }
}

/// One that was to go when its program ends goes when that does not even begin.
async fn give_up(global: &Global, found: &Found) -> failure::Result<()> {
    if !found.settings.auto_remove {
        return Ok(());
    }
    life::with(global, async |session| Ok(remove::remove(session, found, false).await?)).await
}

/// Mounting, and what a runtime does, is root's.
pub fn need_root() -> Result<()> {
    match rustix::process::geteuid().is_root() {
        true => Ok(()),
        false => Err(Error::new(
            varve_core::Kind::PermissionDenied,
            "only root can run containers; `varve mount` and `varve snapshots` show what is in an image",
        )),
    }
}
