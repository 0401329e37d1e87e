//! Progress in a pipe: a line for each change, as Docker prints them. Bytes are not told.

use std::sync::{Mutex, PoisonError};

use super::{Line, Phase, Progress};

/// Prints with the function that it is given.
pub struct Plain<F> {
    tell: F,
    layers: Mutex<Vec<(String, Phase)>>,
}

impl<F: Fn(&str) + Send + Sync> Plain<F> {
    pub fn new(tell: F) -> Self {
        Self { tell, layers: Mutex::default() }
    }

    fn tell(&self, id: &str, phase: &Phase) {
        match phase {
            // The time it takes is all there is to see of these.
            moving if moving.bytes().is_some() => {}
            Phase::Retrying(attempt) => (self.tell)(&format!("{id}: Retrying, attempt {attempt}")),
            _ => (self.tell)(&format!("{id}: {}", phase.words())),
        }
    }
}

impl<F: Fn(&str) + Send + Sync> Progress for Plain<F> {
    fn say(&self, line: &str) {
        (self.tell)(line);
    }

    fn begin(&self, layers: &[Line]) {
        let all = layers.iter().map(|layer| (layer.id.clone(), Phase::Queued)).collect();
        *self.layers.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    fn layer(&self, number: usize, phase: Phase) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((id, last)) = layers.get_mut(number) else { return };
        let again = *last == phase && phase != Phase::Queued;
        if !again && !last.is_last() {
            self.tell(id, &phase);
            *last = phase;
        }
    }

    fn end(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(phases: &[(usize, Phase)]) -> Vec<String> {
        let lines = Mutex::new(Vec::new());
        let plain = Plain::new(|line: &str| lines.lock().unwrap().push(line.to_owned()));
        let layer = |id: &str| Line { id: id.into(), size: 10 };
        plain.begin(&[layer("aa"), layer("bb")]);
        for (number, phase) in phases {
            plain.layer(*number, phase.clone());
        }
        lines.into_inner().unwrap()
    }

    #[test]
    fn a_pipe_gets_a_line_for_each_change_and_none_for_bytes() {
        let lines = told(&[
            (0, Phase::Exists),
            (1, Phase::Queued),
            (1, Phase::Downloading(1)),
            (1, Phase::Retrying(2)),
            (1, Phase::Retrying(2)),
            (1, Phase::Downloading(5)),
            (1, Phase::Downloaded),
            (1, Phase::Extracting(10)),
            (1, Phase::Complete),
        ]);
        let want = [
            "aa: Already exists",
            "bb: Pulling fs layer",
            "bb: Retrying, attempt 2",
            "bb: Download complete",
            "bb: Pull complete",
        ];
        assert_eq!(lines, want);
    }

    #[test]
    fn nothing_is_told_of_a_layer_that_is_done() {
        let lines = told(&[(0, Phase::Complete), (0, Phase::Extracting(1)), (7, Phase::Complete)]);
        assert_eq!(lines, ["aa: Pull complete"]);
    }
}
