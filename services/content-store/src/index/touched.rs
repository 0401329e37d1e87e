//! Which entries of `index.json` a generation may have changed, so that writing one of them anew is enough.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// More generations than this are not remembered one by one.
const MANY: usize = 1024;

/// Entries, by the names of their images.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entries {
    All,
    Of(Vec<String>),
}

/// What transactions told, by the generation that each has raised. One that failed has told too
/// much, which does no harm.
#[derive(Default)]
pub struct Touched(Mutex<Vec<(u64, Entries)>>);

impl Touched {
    /// Told inside the transaction that changes them.
    pub fn note(&self, generation: u64, entries: Entries) {
        let mut list = self.lock();
        if list.len() >= MANY {
            let newest = list.iter().map(|(of, _)| *of).max().unwrap_or_default();
            *list = vec![(newest, Entries::All)];
        }
        list.push((generation, entries));
    }

    /// All that was told up to a generation, which is then forgotten.
    pub fn take(&self, generation: u64) -> Entries {
        let mut list = self.lock();
        let (taken, later) = list.drain(..).partition(|(of, _)| *of <= generation);
        *list = later;
        let taken: Vec<(u64, Entries)> = taken;
        let mut names = Vec::new();
        for (_, entries) in taken {
            match entries {
                Entries::All => return Entries::All,
                Entries::Of(some) => names.extend(some),
            }
        }
        names.sort();
        names.dedup();
        Entries::Of(names)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Entries)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Entries {
        Entries::Of(vec![name.to_owned()])
    }

    #[test]
    fn what_later_generations_told_is_kept_for_them() {
        let touched = Touched::default();
        for (generation, name) in [(1, "b"), (3, "c"), (2, "a"), (2, "b")] {
            touched.note(generation, of(name));
        }
        assert_eq!(touched.take(2), Entries::Of(vec!["a".into(), "b".into()]));
        assert_eq!(touched.take(3), of("c"));
        assert_eq!(touched.take(9), Entries::Of(Vec::new()));
    }

    #[test]
    fn all_is_more_than_some_and_so_is_too_much_to_remember() {
        let touched = Touched::default();
        touched.note(1, of("a"));
        touched.note(2, Entries::All);
        assert_eq!(touched.take(2), Entries::All);
        for generation in 0..=MANY as u64 {
            touched.note(generation, of("a"));
        }
        assert_eq!(touched.take(MANY as u64), Entries::All);
    }
}
