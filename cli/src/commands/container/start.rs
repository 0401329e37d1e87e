//! `varve create`, a container whose program does not run yet, and `varve start`, which has it run.

use clap::Args;
use varve_core::{Error, Mount, Result};

use super::each;
use super::options::Options;
use super::run;
use super::stay::{self, Stay};
use crate::args::Global;
use crate::container::create;
use crate::container::find::{self, Found};
use crate::container::place::Base;
use crate::container::remove;
use crate::container::terminal;
use crate::failure::{self, Failure};
use crate::life;
use crate::output;
use crate::session::Session;

/// Make a container, and do not start it
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve create --name web alpine sleep 60\n  varve start web")]
pub struct Create {
    /// Remove the container when its program ends
    #[arg(long)]
    rm: bool,
    #[command(flatten)]
    options: Options,
}

impl Create {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        run::need_root()?;
        let base = Base::of(global)?;
        let work = async |session: &Session| {
            remove::sweep(session, &base).await?;
            let prepared = self.options.prepare(session, self.rm).await?;
            let (container, _) = create::create(session, &base, prepared.plan()).await?;
            output::write(format!("{}\n", container.id).as_bytes())
        };
        life::with(global, work).await
    }
}

/// Start containers that do not run
///
/// What their programs wrote before is there. With --attach this command stays, and ends as the program does.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve start web\n  varve start -ai shell")]
pub struct Start {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
    /// Stay with the program
    #[arg(long, short)]
    attach: bool,
    /// Bring what is typed here to the program
    #[arg(long, short)]
    interactive: bool,
}

impl Start {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        run::need_root()?;
        let (attach, several) = (self.attach || self.interactive, self.containers.len() > 1);
        if attach && several {
            return Err(Error::invalid(
                "one container can be attached to, and not several; leave out --attach",
            )
            .into());
        }
        let base = Base::of(global)?;
        let mut failures = Vec::new();
        for text in &self.containers {
            match self.one(global, &base, text, attach).await {
                Ok(()) => {}
                Err(Failure::Error(error) | Failure::Refused { error, .. }) if !attach => {
                    failures.push(error);
                }
                Err(failure) => return Err(failure),
            }
        }
        each::end(failures)
    }

    async fn one(
        &self,
        global: &Global,
        base: &Base,
        text: &str,
        attach: bool,
    ) -> failure::Result<()> {
        let work = async |session: &Session| Ok(ready(session, base, text).await?);
        let (found, mounts) = life::with(global, work).await?;
        if !attach {
            stay::start(global, &found, mounts, Stay::Left).await?;
            output::tell(text);
            return Ok(());
        }
        if found.settings.tty && self.interactive {
            terminal::need()?;
        }
        let how = if self.interactive { Stay::Typing } else { Stay::Watching };
        stay::start(global, &found, mounts, how).await
    }
}

/// A container that does not run, and how its snapshot is mounted.
async fn ready(session: &Session, base: &Base, text: &str) -> Result<(Found, Vec<Mount>)> {
    let found = find::find(session, base, text).await?;
    if found.status().is_running() {
        let name = &found.settings.name;
        return Err(Error::precondition(format!("container {name} is running already")));
    }
    let snapshotter = session.services.snapshotter(Some(&found.container.snapshotter)).await?;
    let key = &found.container.snapshot_key;
    let mounts = snapshotter.snapshots.mounts(&session.scope, key).await?;
    Ok((found, mounts))
}
