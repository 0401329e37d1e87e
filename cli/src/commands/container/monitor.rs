//! `varve monitor`: what `run` and `start` leave behind to watch over a container. Nobody types it.

use clap::Args;
use tokio::runtime::Builder;
use varve_core::{Error, Result, ResultExt};

use crate::args::Global;
use crate::container::find::Found;
use crate::container::monitor::{self, Running};
use crate::container::remove;
use crate::session::Session;

/// Watch over a container; its job comes on standard input
#[derive(Args, Debug)]
#[command(after_help = "Example: none; `varve run` starts it")]
pub struct Monitor {
    /// The container, for those who look at a list of processes
    #[arg(value_name = "CONTAINER")]
    _id: String,
}

impl Monitor {
    /// Runs to the container's end. Blocks, with a runtime of its own: one thread has little to do.
    pub fn run(self, global: &Global) -> Result<()> {
        let client = monitor::detach()?;
        let Some(job) = monitor::job(&client)? else { return Ok(()) };
        let Some(mut running) = monitor::start(job, client) else { return Ok(()) };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::io("starting the threads", error))?;
        let status = runtime.block_on(running.watch())?;
        if running.auto_remove() {
            let removed = runtime.block_on(Box::pin(remove(global, &running)));
            // That it is still there is told by the log, and what the program did is told anyhow.
            if let Err(error) = removed {
                tracing::error!("not removed: {}", error.chain());
            }
        }
        running.tell(status);
        Ok(())
    }
}

async fn remove(global: &Global, running: &Running) -> Result<()> {
    let session = Session::open(global).await?;
    let removed = discard(&session, running).await;
    removed.and(session.close().await)
}

async fn discard(session: &Session, running: &Running) -> Result<()> {
    let (id, base) = (running.place().id(), running.place().base());
    let record = session.services.containers.get(&session.scope, id).await.found()?;
    let Some(container) = record else { return Ok(()) };
    remove::discard(session, &Found::of(&session.scope, container, base)?).await
}
