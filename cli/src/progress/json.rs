//! Progress for programs: a JSON object a line on stderr, in the form of Docker's Engine API
//! (`{"status":"Downloading","progressDetail":{"current":…,"total":…},"id":"…"}`).

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Line, Phase, Progress};

/// How often the bytes of a layer are told, at most.
const EVERY: Duration = Duration::from_millis(100);

/// Writes to what it is given.
pub struct Json<W> {
    to: Mutex<W>,
    layers: Mutex<Vec<Layer>>,
}

struct Layer {
    line: Line,
    last: Option<Phase>,
    /// When bytes were told last.
    told: Option<Instant>,
}

impl<W: Write + Send> Json<W> {
    pub fn new(to: W) -> Self {
        Self { to: Mutex::new(to), layers: Mutex::default() }
    }

    fn write(&self, event: &Value) {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        // At once: other lines on stderr stay whole.
        let _ = to.write_all(format!("{event}\n").as_bytes());
    }
}

/// Tells of anything else, where JSON is what is read.
pub fn tell(event: &Value) {
    let _ = io::stderr().write_all(format!("{event}\n").as_bytes());
}

impl<W: Write + Send> Progress for Json<W> {
    fn say(&self, line: &str) {
        self.write(&json!({"status": line}));
    }

    fn begin(&self, layers: &[Line]) {
        let layer = |line: &Line| Layer { line: line.clone(), last: None, told: None };
        *self.layers.lock().unwrap_or_else(PoisonError::into_inner) =
            layers.iter().map(layer).collect();
    }

    fn layer(&self, number: usize, phase: Phase) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(layer) = layers.get_mut(number) else { return };
        if let Some(event) = layer.event(phase, Instant::now()) {
            self.write(&event);
        }
    }

    fn end(&self) {}
}

impl Layer {
    /// What is to be told, if anything: each change of words, and bytes now and then.
    fn event(&mut self, phase: Phase, now: Instant) -> Option<Value> {
        let last = self.last.as_ref();
        let done = last.is_some_and(Phase::is_last);
        if done || last == Some(&phase) && phase != Phase::Queued {
            return None;
        }
        let same = last.is_some_and(|last| last.words() == phase.words());
        let early = self.told.is_some_and(|told| now.duration_since(told) < EVERY);
        if same && phase.bytes().is_some() && early {
            return None;
        }
        let mut event = json!({"id": self.line.id, "status": phase.words()});
        if let Some(bytes) = phase.bytes() {
            event["progressDetail"] = json!({"current": bytes, "total": self.line.size});
            self.told = Some(now);
        }
        if let Phase::Retrying(attempt) = phase {
            event["attempt"] = attempt.into();
        }
        self.last = Some(phase);
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_and_bytes_now_and_then() {
        let line = Line { id: "aa".into(), size: 10 };
        let mut layer = Layer { line, last: None, told: None };
        let begun = Instant::now();
        let mut event = |phase, after: u64| {
            layer.event(phase, begun + Duration::from_millis(after)).map(|event| event.to_string())
        };
        let queued = Some(r#"{"id":"aa","status":"Pulling fs layer"}"#.to_owned());
        assert_eq!(event(Phase::Queued, 0), queued);
        let first = event(Phase::Downloading(1), 1).unwrap();
        assert!(first.contains(r#""progressDetail":{"current":1,"total":10}"#), "{first}");
        assert_eq!(event(Phase::Downloading(2), 50), None);
        assert!(event(Phase::Downloading(3), 150).is_some());
        assert!(event(Phase::Retrying(2), 151).unwrap().contains(r#""attempt":2"#));
        assert!(event(Phase::Downloading(4), 152).is_some());
        assert!(event(Phase::Complete, 153).unwrap().contains("Pull complete"));
        assert_eq!(event(Phase::Extracting(9), 999), None, "nothing is told of one that is done");
    }
}
