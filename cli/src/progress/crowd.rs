//! More layers than the terminal has rows: those that move have a line each, as many as fit; those
//! that are done are told above, where the terminal scrolls; all others are counted in the last line.

use indicatif::{MultiProgress, ProgressBar};

use super::bar::{self, Bar};

/// Which lines are drawn now.
pub struct Crowd {
    summary: ProgressBar,
    /// Lines for layers that move.
    room: usize,
    places: Vec<Place>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Counted,
    Drawn,
    Told,
}

impl Crowd {
    /// For so many layers, where so many of them may be drawn.
    pub fn new(all: &MultiProgress, layers: usize, room: usize) -> Self {
        let summary = all.add(ProgressBar::no_length());
        summary.set_style(bar::style("{msg}"));
        let crowd = Self { summary, room: room.max(1), places: vec![Place::Counted; layers] };
        crowd.count();
        crowd
    }

    /// Puts a layer, by its number, where it belongs now.
    pub fn place(&mut self, all: &MultiProgress, number: usize, layer: &Bar) {
        let before = self.places[number];
        let after = match before {
            Place::Told => Place::Told,
            _ if layer.is_done() => Place::Told,
            Place::Drawn if layer.is_moving() => Place::Drawn,
            Place::Counted if layer.is_moving() && self.are(Place::Drawn) < self.room => {
                Place::Drawn
            }
            _ => Place::Counted,
        };
        if before == after {
            return;
        }
        self.places[number] = after;
        match after {
            Place::Drawn => drop(all.insert_before(&self.summary, layer.bar.clone())),
            _ => all.remove(&layer.bar),
        }
        if after == Place::Told {
            // That nobody reads it any more is no reason to stop the work.
            let _ = all.println(layer.text());
        }
        self.count();
    }

    /// Nothing moves any more: what is not done stays counted.
    pub fn end(&self) {
        if self.are(Place::Told) == self.places.len() {
            self.summary.finish_and_clear();
        } else {
            self.summary.abandon();
        }
    }

    fn count(&self) {
        let (done, all) = (self.are(Place::Told), self.places.len());
        let waiting = self.are(Place::Counted);
        self.summary.set_message(format!("{done} of {all} layers done, {waiting} waiting"));
    }

    fn are(&self, place: Place) -> usize {
        self.places.iter().filter(|at| **at == place).count()
    }
}
