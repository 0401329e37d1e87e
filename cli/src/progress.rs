//! What a person sees while a pull goes on, in Docker's words.
//!
//! On a terminal a line a layer that moves, as far as there are rows; in a pipe a line for each
//! change; with `--quiet` and for JSON nothing; for programs that ask for it (`--progress json`) a JSON object for each
//! change, on stderr. The pull tells [`Progress`] what happens and knows
//! nothing of how it looks.

mod bar;
mod bars;
mod crowd;
mod json;
mod phase;
mod plain;

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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

/// How progress is shown.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Style {
    /// Bars on a terminal, lines elsewhere
    #[default]
    Auto,
    /// Lines
    Plain,
    /// A JSON object a line on stderr, for programs
    Json,
}

static STYLE: OnceLock<Style> = OnceLock::new();

/// Decides it for this process, once and at its start.
pub fn choose(style: Style) {
    let _ = STYLE.set(style);
}

pub fn style() -> Style {
    STYLE.get().copied().unwrap_or_default()
}

/// What suits stdout, or nothing. Whoever asks for JSON gets it in any case.
pub fn open(silent: bool) -> Arc<dyn Progress> {
    match style() {
        Style::Json => Arc::new(json::Json::new(io::stderr())),
        _ if silent => Arc::new(Silent),
        _ if has_bars() => Arc::new(bars::Bars::new()),
        _ => Arc::new(plain::Plain::new(crate::output::tell)),
    }
}

/// Bars on a terminal, and nothing in a pipe: for what Docker does silently there.
pub fn open_bars(silent: bool) -> Arc<dyn Progress> {
    match style() {
        Style::Json => open(silent),
        _ if has_bars() && !silent => Arc::new(bars::Bars::new()),
        _ => Arc::new(Silent),
    }
}

fn has_bars() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !dumb && style() == Style::Auto
}

/// Lines on stderr, for a command whose stdout is another's.
pub fn aside() -> Arc<dyn Progress> {
    match style() {
        Style::Json => open(false),
        _ => Arc::new(plain::Plain::new(warn)),
    }
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
    if style() == Style::Json {
        return json::tell(&serde_json::json!({"status": line}));
    }
    let line = crate::output::clean(line);
    beside(|| {
        let _ = writeln!(io::stderr(), "{line}");
    });
}

/// Why a command failed: the last line on stderr.
pub fn fail(message: &str) {
    if style() != Style::Json {
        return warn(message);
    }
    let message = message.strip_prefix("varve: ").unwrap_or(message);
    json::tell(&serde_json::json!({"error": message, "errorDetail": {"message": message}}));
}
