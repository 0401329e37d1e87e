//! What is added and removed while a collection runs, so that the mark cannot miss it.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use varve_core::{Digest, Namespace};

use crate::records::Target;

/// Targets of edges that were added or removed, and blobs that were born, since a collection began.
///
/// Whoever adds or removes an edge tells it here inside the transaction that does; transactions run
/// one after another, so a mark made in a later one has seen it. Outside a collection nothing is kept.
#[derive(Default)]
pub struct Barrier(Mutex<Option<HashSet<(Namespace, Target)>>>);

impl Barrier {
    /// A collection begins.
    pub fn raise(&self) {
        *self.lock() = Some(HashSet::new());
    }

    /// What was told since; the barrier stays up.
    pub fn seen(&self) -> Vec<(Namespace, Target)> {
        self.lock().iter().flatten().cloned().collect()
    }

    /// The collection is over.
    pub fn lower(&self) {
        *self.lock() = None;
    }

    /// An edge to `target` was added or removed.
    pub fn note(&self, namespace: &Namespace, target: &Target) {
        if let Some(seen) = self.lock().as_mut() {
            seen.insert((namespace.clone(), target.clone()));
        }
    }

    /// A blob was born.
    pub fn born(&self, namespace: &Namespace, digest: &Digest) {
        self.note(namespace, &Target::Content(*digest));
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashSet<(Namespace, Target)>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
