//! `varve images`: names, and what they point to.

pub mod filter;
mod list;
pub mod row;
mod tree;

use clap::{Args, Subcommand};

use crate::commands::rm::Rm;
use crate::commands::{history, import, inspect, load, prune, save, tag};
use crate::failure;
use crate::session::Session;
use list::Ls;

/// Show the images that are here, and work with them
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  varve images\n  varve images --filter dangling=true\n  \
    varve images --format '{{.Repository}}:{{.Tag}} {{.ID}}'")]
pub struct Images {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    ls: Ls,
}

#[derive(Subcommand, Debug)]
enum Command {
    #[command(visible_alias = "list")]
    Ls(Ls),
    Rm(Rm),
    Prune(prune::Prune),
    Tag(tag::Tag),
    Inspect(inspect::Inspect),
    History(history::History),
    Save(save::Save),
    Load(load::Load),
    Import(import::Import),
}

impl Images {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        match self.command {
            None => self.ls.run(session).await,
            Some(Command::Ls(ls)) => ls.run(session).await,
            Some(Command::Rm(rm)) => rm.run(session).await,
            Some(Command::Prune(prune)) => prune.run(session).await,
            Some(Command::Tag(tag)) => tag.run(session).await,
            Some(Command::Inspect(inspect)) => inspect.of_images().run(session).await,
            Some(Command::History(history)) => history.run(session).await,
            Some(Command::Save(save)) => save.run(session).await,
            Some(Command::Load(load)) => load.run(session).await,
            Some(Command::Import(import)) => import.run(session).await,
        }
    }
}
