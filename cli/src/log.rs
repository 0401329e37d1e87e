//! The log: on stderr, and never across a progress bar.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use varve_core::{Error, Result};

use crate::progress;

/// Starts logging what `filter` lets through.
pub fn init(filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|_| {
        let want = "want error, warn, info, debug, trace, or TARGET=LEVEL";
        Error::invalid(format!("--log {filter}: {want}"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(())
}

/// Writes to stderr while the bars, if there are any, are out of the way.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        progress::beside(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        Self
    }
}
