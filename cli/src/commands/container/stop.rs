//! `varve stop` and `varve kill`.

use std::time::Duration;

use clap::Args;

use super::each::Each;
use crate::args::Global;
use crate::container::place::Base;
use crate::container::{signal, stop};
use crate::failure;

/// Stop containers
///
/// The program gets its stop signal (SIGTERM, unless the image or `run --stop-signal` says otherwise), and SIGKILL if
/// it has not ended in time. Prints what was stopped.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve stop web\n  varve stop -t 60 db")]
pub struct Stop {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
    /// Seconds that the program has to end by itself
    #[arg(long, short = 't', value_name = "SECONDS", default_value_t = 10)]
    time: u32,
}

impl Stop {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let each = Each::find(global, &Base::of(global)?, &self.containers).await?;
        let patience = Duration::from_secs(self.time.into());
        each.told(move |found| stop::stop(found, patience)).await
    }
}

/// Send a signal to containers
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve kill web\n  varve kill -s HUP web")]
pub struct Kill {
    /// By name, by ID or the start of one
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
    /// Its name or number
    #[arg(long, short, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
}

impl Kill {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let number = signal::number(&self.signal)?;
        let each = Each::find(global, &Base::of(global)?, &self.containers).await?;
        each.told(move |found| stop::signal(found, number)).await
    }
}
