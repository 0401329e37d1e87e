//! Writers that were dropped and whose streams have not ended yet.
//!
//! Dropping a writer frees its ref and keeps what it was given; over a channel both take a moment. What
//! the same client asks next about that ingest waits for it, so that nobody can tell the difference.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use varve_core::Namespace;

/// Namespace and ref.
pub type Key = (Namespace, String);

/// One client's writers that are on their way out.
#[derive(Clone, Debug, Default)]
pub struct Left(Arc<Mutex<HashMap<Key, CancellationToken>>>);

impl Left {
    /// Says that a writer leaves. It has left when the answer is dropped.
    pub fn leave(&self, key: Key) -> Leaving {
        let over = CancellationToken::new();
        self.lock().insert(key.clone(), over.clone());
        Leaving { left: self.clone(), key, over }
    }

    /// Returns once nobody is leaving that ingest any more.
    pub async fn settled(&self, namespace: &Namespace, ingest: &str) {
        let leaving = self.lock().get(&(namespace.clone(), ingest.to_owned())).cloned();
        if let Some(over) = leaving {
            over.cancelled().await;
        }
    }

    /// Returns once nobody is leaving any ingest of that namespace that is being left now.
    pub async fn all_settled(&self, namespace: &Namespace) {
        let of_it =
            |(key, over): (&Key, &CancellationToken)| (key.0 == *namespace).then(|| over.clone());
        let leaving: Vec<_> = self.lock().iter().filter_map(of_it).collect();
        for over in leaving {
            over.cancelled().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A writer on its way out.
pub struct Leaving {
    left: Left,
    key: Key,
    over: CancellationToken,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.left.lock().remove(&self.key);
        self.over.cancel();
    }
}
