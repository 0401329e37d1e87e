//! Mirrors that could not be connected to: they are not asked for a while, so that not every blob of
//! every pull waits for one that is away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Mirrors that are remembered.
const KEPT: usize = 256;

#[derive(Default)]
pub(crate) struct Shunned(Mutex<HashMap<String, Instant>>);

impl Shunned {
    /// From now on for `time`.
    pub(crate) fn shun(&self, host: &str, time: Duration) {
        let mut shunned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if shunned.len() >= KEPT {
            shunned.retain(|_, until| *until > now);
        }
        shunned.insert(host.to_owned(), now + time);
    }

    /// Whether `host` is not to be asked now.
    pub(crate) fn has(&self, host: &str) -> bool {
        let shunned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shunned.get(host).is_some_and(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_shunned_for_its_time_and_no_longer() {
        let shunned = Shunned::default();
        shunned.shun("a", Duration::from_secs(60));
        shunned.shun("b", Duration::ZERO);
        assert!(shunned.has("a") && !shunned.has("b") && !shunned.has("c"));
    }
}
