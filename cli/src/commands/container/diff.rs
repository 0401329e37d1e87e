//! `varve diff`.

use clap::Args;

use crate::args::Global;
use crate::commands::snapshots::diff;
use crate::container::find;
use crate::container::place::Base;
use crate::failure::Result;
use crate::life;
use crate::session::Session;

/// List what a container changed of its image
///
/// A line for each path that was added (A), changed (C) or deleted (D).
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve diff web")]
pub struct Diff {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Diff {
    pub async fn run(self, global: &Global) -> Result<()> {
        let base = Base::of(global)?;
        let work = async |session: &Session| {
            let container = find::find(session, &base, &self.container).await?.container;
            let snapshotter = session.services.snapshotter(Some(&container.snapshotter)).await?;
            diff::show(session, &snapshotter, &container.snapshot_key).await
        };
        life::with(global, work).await
    }
}
