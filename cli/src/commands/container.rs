//! `varve container`, and its commands that stand alone, too: `run`, `ps`, `stop` …
//!
//! Each opens the store for as long as it needs it and no longer: a program that runs for a week keeps nobody from
//! owning the root.

pub mod attach;
pub mod commit;
pub mod diff;
mod each;
mod env;
pub mod exec;
pub mod export;
mod filter;
pub mod inspect;
pub mod logs;
pub mod monitor;
mod options;
pub mod ps;
pub mod rm;
pub mod run;
mod security;
pub mod start;
mod stay;
pub mod stop;
pub mod wait;

use clap::{Args, Subcommand};

use crate::args::Global;
use crate::failure::{Failure, Result};

/// Work with containers
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve container ls --all\n  varve container prune")]
pub struct Container {
    #[command(subcommand)]
    command: Command,
}

/// What `varve container` has.
#[derive(Subcommand, Debug)]
enum Command {
    Run(run::Run),
    Create(start::Create),
    Start(start::Start),
    #[command(visible_alias = "ps", visible_alias = "list")]
    Ls(ps::Ps),
    Stop(stop::Stop),
    Kill(stop::Kill),
    Rm(rm::Rm),
    Prune(rm::Prune),
    Logs(logs::Logs),
    Wait(wait::Wait),
    Exec(exec::Exec),
    Attach(attach::Attach),
    Commit(commit::Commit),
    Diff(diff::Diff),
    Export(export::Export),
    Inspect(inspect::Inspect),
}

/// Those that stand alone.
#[derive(Subcommand, Debug)]
pub enum Alone {
    Run(run::Run),
    Create(start::Create),
    Start(start::Start),
    Ps(ps::Ps),
    Stop(stop::Stop),
    Kill(stop::Kill),
    Rm(rm::Rm),
    Logs(logs::Logs),
    Wait(wait::Wait),
    Exec(exec::Exec),
    Attach(attach::Attach),
    Commit(commit::Commit),
    Diff(diff::Diff),
    Export(export::Export),
}

impl Alone {
    pub async fn run(self, global: &Global) -> Result<()> {
        let command = match self {
            Self::Run(run) => Command::Run(run),
            Self::Create(create) => Command::Create(create),
            Self::Start(start) => Command::Start(start),
            Self::Ps(ps) => Command::Ls(ps),
            Self::Stop(stop) => Command::Stop(stop),
            Self::Kill(kill) => Command::Kill(kill),
            Self::Rm(rm) => Command::Rm(rm),
            Self::Logs(logs) => Command::Logs(logs),
            Self::Wait(wait) => Command::Wait(wait),
            Self::Exec(exec) => Command::Exec(exec),
            Self::Attach(attach) => Command::Attach(attach),
            Self::Commit(commit) => Command::Commit(commit),
            Self::Diff(diff) => Command::Diff(diff),
            Self::Export(export) => Command::Export(export),
        };
        command.run(global).await
    }
}

impl Container {
    pub async fn run(self, global: &Global) -> Result<()> {
        self.command.run(global).await
    }
}

impl Command {
    async fn run(self, global: &Global) -> Result<()> {
        match self {
            Self::Run(run) => run.run(global).await,
            Self::Create(create) => create.run(global).await.map_err(Failure::own),
            Self::Start(start) => start.run(global).await,
            Self::Ls(ps) => ps.run(global).await,
            Self::Stop(stop) => stop.run(global).await,
            Self::Kill(kill) => kill.run(global).await,
            Self::Rm(rm) => rm.run(global).await,
            Self::Prune(prune) => prune.run(global).await,
            Self::Logs(logs) => logs.run(global).await,
            Self::Wait(wait) => wait.run(global).await,
            Self::Exec(exec) => exec.run(global).await,
            Self::Attach(attach) => attach.run(global).await,
            Self::Commit(commit) => commit.run(global).await,
            Self::Diff(diff) => diff.run(global).await,
            Self::Export(export) => export.run(global).await,
            Self::Inspect(inspect) => inspect.run(global).await,
        }
    }
}
