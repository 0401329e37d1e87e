//! `varve rm`, and `varve container prune`.

use clap::Args;
use varve_core::{Error, Result};

use super::each;
use crate::args::Global;
use crate::container::find::{self, Found};
use crate::container::place::Base;
use crate::container::remove;
use crate::failure;
use crate::life;
use crate::output::{self, size};
use crate::session::Session;

/// Remove containers, and all that they wrote
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve rm web\n  varve rm -f $(varve ps -aq)")]
pub struct Rm {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
    /// Kill those that run
    #[arg(long, short)]
    force: bool,
}

impl Rm {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let base = Base::of(global)?;
        let work = async |session: &Session| {
            let mut failures = Vec::new();
            for text in &self.containers {
                let removed = match find::find(session, &base, text).await {
                    Ok(found) => remove::remove(session, &found, self.force).await,
                    Err(error) => Err(error),
                };
                match removed {
                    Ok(()) => output::tell(text),
                    Err(error) => failures.push(error),
                }
            }
            each::end(failures)
        };
        life::with(global, work).await
    }
}

/// Remove all containers that do not run
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve container prune --force")]
pub struct Prune {
    /// Do not ask
    #[arg(long, short)]
    force: bool,
}

impl Prune {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        if !self.force && !self.is_meant().await? {
            return Ok(());
        }
        let base = Base::of(global)?;
        let work = async |session: &Session| {
            let (mut removed, mut failures, mut bytes) = (Vec::new(), Vec::new(), 0);
            for found in find::all(session, &base).await? {
                if found.status().is_running() {
                    continue;
                }
                let size = written(session, &found).await;
                match remove::remove(session, &found, false).await {
                    Ok(()) => {
                        removed.push(found.container.id);
                        bytes += size;
                    }
                    Err(error) => failures.push(error),
                }
            }
            let total = format!("Total reclaimed space: {}", size::exact(bytes));
            let lines: Vec<String> = match removed.is_empty() {
                true => vec![total],
                false => {
                    let title = ["Deleted Containers:".to_owned()].into_iter();
                    title.chain(removed.iter().cloned()).chain([String::new(), total]).collect()
                }
            };
            session.output.lines(&lines, &removed)?;
            each::end(failures)
        };
        life::with(global, work).await
    }

    async fn is_meant(&self) -> Result<bool> {
        output::tell("WARNING! This will remove all stopped containers.");
        output::ask("Are you sure you want to continue? [y/N] ");
        let reading = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer).map(|_| answer)
        });
        let answer = reading.await.map_err(|error| Error::internal("asking").with_source(error))?;
        let answer = answer.map_err(|error| Error::io("reading the answer", error))?;
        Ok(answer.trim().eq_ignore_ascii_case("y"))
    }
}

/// Bytes that a container has written; what cannot be counted is nothing.
async fn written(session: &Session, found: &Found) -> u64 {
    let container = &found.container;
    let usage = async {
        let snapshotter = session.services.snapshotter(Some(&container.snapshotter)).await?;
        snapshotter.snapshots.usage(&session.scope, &container.snapshot_key).await
    };
    usage.await.map_or(0, |usage| usage.size)
}
