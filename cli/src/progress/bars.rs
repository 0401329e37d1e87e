//! Progress on a terminal: a line a layer, as far as the rows go.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};

use super::bar::Bar;
use super::crowd::Crowd;
use super::{Line, Phase, Progress, shown};

/// Draws a second at most.
const RATE: u8 = 10;
/// Rows of a terminal that does not tell.
const ROWS: u16 = 24;

/// The lines on the terminal.
pub struct Bars {
    all: MultiProgress,
    rows: usize,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    layers: Vec<Bar>,
    /// Where not all of them fit.
    crowd: Option<Crowd>,
}

impl Bars {
    pub fn new() -> Self {
        let bars = Self::on(ProgressDrawTarget::stdout_with_hz(RATE), console_rows());
        *shown() = Some(bars.all.clone());
        bars
    }

    fn on(target: ProgressDrawTarget, rows: usize) -> Self {
        let all = MultiProgress::with_draw_target(target);
        Self { all, rows, lines: Mutex::default() }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bars {
    fn say(&self, line: &str) {
        super::beside(|| crate::output::tell(line));
    }

    fn begin(&self, layers: &[Line]) {
        let mut lines = self.lines();
        lines.layers = layers.iter().map(Bar::new).collect();
        // The cursor has a row of its own, and so has the count.
        if layers.len() < self.rows {
            for layer in &lines.layers {
                self.all.add(layer.bar.clone()).tick();
            }
        } else {
            let room = self.rows.saturating_sub(2);
            lines.crowd = Some(Crowd::new(&self.all, layers.len(), room));
        }
    }

    fn layer(&self, number: usize, phase: Phase) {
        let Lines { layers, crowd } = &mut *self.lines();
        let Some(layer) = layers.get_mut(number) else { return };
        layer.show(phase);
        if let Some(crowd) = crowd {
            crowd.place(&self.all, number, layer);
        }
    }

    fn end(&self) {
        let mut lines = self.lines();
        for layer in lines.layers.drain(..).filter(|layer| !layer.is_done()) {
            layer.bar.abandon();
        }
        if let Some(crowd) = lines.crowd.take() {
            crowd.end();
        }
        *shown() = None;
    }
}

impl Drop for Bars {
    /// An interrupted pull leaves its lines as they are.
    fn drop(&mut self) {
        self.end();
    }
}

fn console_rows() -> usize {
    let rows = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| size.ws_row);
    usize::from(if rows == 0 { ROWS } else { rows })
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    /// A screen of so many rows with so many layers of 20 MB on it.
    fn screen(rows: u16, layers: usize) -> (InMemoryTerm, Bars) {
        let screen = InMemoryTerm::new(rows, 100);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let bars = Bars::on(target, rows.into());
        let line = |number| Line { id: format!("layer{number}"), size: 20_000_000 };
        bars.begin(&(0..layers).map(line).collect::<Vec<_>>());
        (screen, bars)
    }

    fn contents(screen: &InMemoryTerm, bars: &Bars) -> String {
        bars.lines().layers.iter().for_each(|layer| layer.bar.force_draw());
        screen.contents()
    }

    #[test]
    fn a_layer_shows_a_bar_with_its_bytes_and_ends_in_dockers_words() {
        let (screen, bars) = screen(10, 1);
        assert_eq!(screen.contents(), "layer0: Pulling fs layer");
        bars.layer(0, Phase::Downloading(10_000_000));
        let line = contents(&screen, &bars);
        assert!(line.starts_with("layer0: Downloading [=======>      ]"), "{line}");
        assert!(line.contains(" 10MB/20MB ") && line.contains("B/s"), "{line}");
        bars.layer(0, Phase::Complete);
        bars.layer(0, Phase::Extracting(5));
        assert_eq!(screen.contents(), "layer0: Pull complete");
    }

    #[test]
    fn where_not_all_fit_those_that_move_are_drawn_and_the_others_counted() {
        let (screen, bars) = screen(5, 7);
        assert_eq!(screen.contents(), "0 of 7 layers done, 7 waiting");
        for number in 2..7 {
            bars.layer(number, Phase::Downloading(10_000_000));
        }
        let told = contents(&screen, &bars);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        for (line, id) in lines.iter().zip(["layer2", "layer3", "layer4"]) {
            assert!(line.starts_with(&format!("{id}: Downloading")), "{told}");
        }
        assert_eq!(lines[3], "0 of 7 layers done, 4 waiting");
    }

    #[test]
    fn a_layer_that_is_done_is_told_above_and_makes_room() {
        let (screen, bars) = screen(4, 4);
        for number in 0..3 {
            bars.layer(number, Phase::Downloading(10_000_000));
        }
        bars.layer(1, Phase::Complete);
        bars.layer(2, Phase::Extracting(5));
        let told = contents(&screen, &bars);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "layer1: Pull complete", "{told}");
        assert!(lines[1].starts_with("layer0: Downloading"), "{told}");
        assert!(lines[2].starts_with("layer2: Extracting"), "{told}");
        assert_eq!(lines[3], "1 of 4 layers done, 1 waiting");
    }

    #[test]
    fn at_the_end_each_layer_has_been_told_once_and_the_count_is_gone() {
        let (screen, bars) = screen(3, 3);
        for number in [2, 0, 1] {
            bars.layer(number, Phase::Downloading(5));
            bars.layer(number, Phase::Complete);
            bars.layer(number, Phase::Extracting(5));
        }
        bars.end();
        // What was told first has left the three rows' screen, or stands on it still.
        let told = screen.contents();
        assert!(told.ends_with("layer0: Pull complete\nlayer1: Pull complete"), "{told}");
    }
}
