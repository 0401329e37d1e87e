//! What a person sees while a pull goes on, in Docker's words.
//!
//! On a terminal a line a layer that moves, as far as there are rows; in a pipe a line for each
//! change; with `--quiet` and for JSON nothing. The pull tells [`Progress`] what happens and knows
//! nothing of how it looks.

mod bar;
mod bars;
mod crowd;
mod phase;
mod plain;

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::MultiProgress;

pub use phase::Phase;

/// A layer, as progress shows it.
#[derive(Clone, Debug)]
pub struct Line {
    /// The first twelve digits of its digest; two layers of one image may have the same.
    pub id: String,
    /// Bytes of its blob.
    pub size: u64,
}

/// Told of all that goes on, from any thread.
pub trait Progress: Send + Sync {
    /// A line above or below the layers.
    fn say(&self, line: &str);
    /// All layers, bottom first, before any of them moves.
    fn begin(&self, layers: &[Line]);
    /// What a layer, by its number, is at now.
    fn layer(&self, number: usize, phase: Phase);
    /// Nothing moves any more. The layers' lines stay.
    fn end(&self);
}

/// What suits stdout, or nothing.
pub fn open(silent: bool) -> Arc<dyn Progress> {
    if silent {
        return Arc::new(Silent);
    }
    match has_bars() {
        true => Arc::new(bars::Bars::new()),
        false => Arc::new(plain::Plain::new(crate::output::tell)),
    }
}

/// Bars on a terminal, and nothing in a pipe.
pub fn open_bars(silent: bool) -> Arc<dyn Progress> {
    match has_bars() && !silent {
        true => Arc::new(bars::Bars::new()),
        false => Arc::new(Silent),
    }
}

fn has_bars() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !dumb
}

/// Lines on stderr, for a command whose stdout is another's.
pub fn aside() -> Arc<dyn Progress> {
    Arc::new(plain::Plain::new(warn))
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn say(&self, _: &str) {}
    fn begin(&self, _: &[Line]) {}
    fn layer(&self, _: usize, _: Phase) {}
    fn end(&self) {}
}

/// The bars that are on the terminal now, so that whoever writes beside them can move them away.
static SHOWN: Mutex<Option<MultiProgress>> = Mutex::new(None);

fn shown() -> MutexGuard<'static, Option<MultiProgress>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `write` while no bar is in the way.
pub fn beside<T>(write: impl FnOnce() -> T) -> T {
    let bars = shown().clone();
    match bars {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// A line on stderr, for a person, without control characters.
pub fn warn(line: &str) {
    let line = crate::output::clean(line);
    beside(|| {
        let _ = writeln!(io::stderr(), "{line}");
    });
}
