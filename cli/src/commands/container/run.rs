//! `varve run`: a program in a new container.

use clap::Args;
use varve_core::containers::Container;
use varve_core::{Error, Mount, Result, Scope};

use super::options::Options;
use super::stay::{self, Stay};
use crate::args::Global;
use crate::container::create;
use crate::container::find::Found;
use crate::container::place::Base;
use crate::container::remove;
use crate::container::terminal;
use crate::failure::{self, Failure};
use crate::life;
use crate::output;
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
        let outcome = stay::start(global, &found, mounts, stay).await;
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
