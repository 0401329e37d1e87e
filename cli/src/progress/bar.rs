//! A layer's line on a terminal: words, or a bar with bytes, rate and time left.

use std::borrow::Cow;
use std::fmt::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{Line, Phase};
use crate::output::size;

/// Columns that all but the bar takes, and the bar's own limits.
const BESIDE_BAR: u16 = 66;
const BAR: std::ops::RangeInclusive<u16> = 10..=50;

/// A layer's line, wherever it is drawn.
pub struct Bar {
    /// Hidden until somebody adds it to what is drawn.
    pub bar: ProgressBar,
    size: u64,
    last: Phase,
}

impl Bar {
    pub fn new(line: &Line) -> Self {
        let bar = ProgressBar::with_draw_target(Some(line.size), ProgressDrawTarget::hidden());
        bar.set_style(words());
        bar.set_prefix(line.id.clone());
        bar.set_message(Phase::Queued.words());
        Self { bar, size: line.size, last: Phase::Queued }
    }

    /// Shows what the layer is at now.
    pub fn show(&mut self, phase: Phase) {
        // A late report of bytes must not bring a finished layer back.
        if self.last.is_last() {
            return;
        }
        match (&phase, phase.bytes()) {
            (_, Some(at)) if self.moves(&phase) => self.show_bytes(&phase, at),
            (Phase::Retrying(attempt), _) => {
                self.show_words(format!("Retrying, attempt {attempt}"));
            }
            _ => self.show_words(phase.words()),
        }
        if phase.is_last() {
            self.bar.finish();
        }
        self.last = phase;
    }

    /// Whether there is something to watch.
    pub fn is_moving(&self) -> bool {
        self.moves(&self.last)
    }

    pub fn is_done(&self) -> bool {
        self.last.is_last()
    }

    /// The line of a layer that does not move.
    pub fn text(&self) -> String {
        format!("{}: {}", self.bar.prefix(), self.last.words())
    }

    fn moves(&self, phase: &Phase) -> bool {
        match phase {
            // Where all of it is read, perhaps it waits for the layer below.
            Phase::Loading(at) | Phase::Extracting(at) => *at < self.size,
            Phase::Retrying(_) => true,
            _ => phase.bytes().is_some(),
        }
    }

    fn show_words(&self, text: impl Into<Cow<'static, str>>) {
        self.bar.set_style(words());
        self.bar.set_message(text);
    }

    /// A rate is one of what it is a rate of: at each change it is measured anew.
    fn show_bytes(&self, phase: &Phase, at: u64) {
        if self.last.words() != phase.words() {
            self.bar.set_style(moving());
            self.bar.set_message(phase.words());
            self.bar.set_length(self.size);
            self.bar.set_position(at);
            self.bar.reset_eta();
        }
        self.bar.set_position(at);
    }
}

/// A line without a bar.
pub fn words() -> ProgressStyle {
    style("{prefix}: {msg}")
}

/// A line with all that moves.
fn moving() -> ProgressStyle {
    let width = console_width().saturating_sub(BESIDE_BAR).clamp(*BAR.start(), *BAR.end());
    style(&format!("{{prefix}}: {{msg:11}} [{{bar:{width}}}] {{sizes:>17}} {{rate:>10}} {{left}}"))
        .progress_chars("=> ")
        .with_key("sizes", |state: &ProgressState, out: &mut dyn Write| {
            let (at, all) = (state.pos(), state.len().unwrap_or_default());
            let _ = write!(out, "{}/{}", size::exact(at), size::exact(all));
        })
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            let _ = write!(out, "{}/s", size::short(state.per_sec() as u64));
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
            // Before there is a rate, there is nothing to tell.
            if state.per_sec() >= 1.0 && state.eta().as_secs() > 0 {
                let _ = write!(out, "{} left", clock(state.eta().as_secs()));
            }
        })
}

pub fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is ours")
}

fn console_width() -> u16 {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(80, |size| size.ws_col)
}

/// `12s`, `3m05s`, `2h10m`.
fn clock(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_short() {
        assert_eq!([59, 65, 7800].map(clock), ["59s", "1m05s", "2h10m"]);
    }

    #[test]
    fn a_layer_moves_while_bytes_come_and_not_while_it_waits() {
        let mut bar = Bar::new(&Line { id: "aa".into(), size: 10 });
        let mut moves = |phase| {
            bar.show(phase);
            bar.is_moving()
        };
        assert!(!moves(Phase::Queued));
        assert!(moves(Phase::Downloading(1)));
        assert!(!moves(Phase::Downloaded));
        assert!(moves(Phase::Extracting(9)));
        assert!(!moves(Phase::Extracting(10)));
        assert!(!moves(Phase::Complete));
        assert!(!moves(Phase::Downloading(1)));
    }
}
