//! The log of a service: lines on stderr; stdout belongs to data.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use varve_core::{Error, Result};

/// Starts logging what `filter` (`info`, `varve=debug`, …) lets through.
pub fn init(filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Error::invalid(format!("log filter {filter:?}")).with_source(error))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}
