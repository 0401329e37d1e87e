//! `varve system`: Docker's words for what is of the whole store.

use clap::{Args, Subcommand};

use super::df::Df;
use crate::failure::Result;
use crate::session::Session;

/// Look at the store as a whole
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve system df --verbose")]
pub struct System {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Df(Df),
}

impl System {
    pub async fn run(self, session: &Session) -> Result<()> {
        let Command::Df(df) = self.command;
        df.run(session).await
    }
}
