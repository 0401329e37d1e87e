//! The command `varve`: everything a person does with images.
//!
//! A library for its binary, and for what fuzzes the readers of [`archive`]; nobody else is to build on it.

pub mod archive;
mod args;
mod changes;
mod commands;
mod complete;
mod config;
mod container;
mod failure;
mod find;
mod image;
mod import;
mod life;
mod load;
mod log;
mod making;
mod mounts;
mod output;
mod process;
mod progress;
mod prompt;
mod pull;
mod push;
mod reach;
mod reclaim;
mod removal;
mod root;
mod save;
mod services;
mod session;
mod survey;
mod template;
mod unpack;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::Cli;

/// Does what the process was called for.
pub fn main() -> ExitCode {
    complete::answer();
    let cli = Cli::try_parse().unwrap_or_else(|error| match error.kind() {
        // Nothing was asked. Which of the two it is depends on what the environment sets.
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Cli::parse_from(std::env::args_os().chain(["--help".into()]))
        }
        _ => error.exit(),
    });
    life::run(cli)
}
