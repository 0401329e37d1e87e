//! `varve images`: names, and what they point to.

pub mod filter;
mod list;
pub mod row;
mod tree;

use clap::{Args, Subcommand};

use crate::commands::rm::Rm;
use crate::commands::{history, import, inspect, load, prune, pull, push, save, tag};
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

/// Work with images
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve image ls\n  varve image rm alpine:3")]
pub struct Image {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    #[command(visible_alias = "list")]
    Ls(Ls),
    Pull(pull::Pull),
    Push(push::Push),
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
            Some(command) => command.run(session).await,
        }
    }
}

impl Image {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        self.command.run(session).await
    }

    /// The pull that it is, if it is one.
    pub fn pull(&self) -> Option<&pull::Pull> {
        match &self.command {
            Command::Pull(pull) => Some(pull),
            _ => None,
        }
    }
}

impl Command {
    async fn run(self, session: &Session) -> failure::Result<()> {
        match self {
            Self::Ls(ls) => ls.run(session).await,
            Self::Pull(pull) => pull.run(session).await,
            Self::Push(push) => push.run(session).await,
            Self::Rm(rm) => rm.run(session).await,
            Self::Prune(prune) => prune.run(session).await,
            Self::Tag(tag) => tag.run(session).await,
            Self::Inspect(inspect) => inspect.of_images().run(session).await,
            Self::History(history) => history.run(session).await,
            Self::Save(save) => save.run(session).await,
            Self::Load(load) => load.run(session).await,
            Self::Import(import) => import.run(session).await,
        }
    }
}
