//! All ingests of a store, in memory, and who waits for a new one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use varve_core::content::OpenWriter;
use varve_core::{Digest, Error, Namespace, Result};

use super::about::About;
use super::{End, Held, Ingest};
use crate::layout::{self, Layout};

type Key = (Namespace, String);

/// The ingests by namespace and ref.
pub struct Table {
    layout: Layout,
    ingests: Mutex<BTreeMap<Key, Arc<Ingest>>>,
    arrivals: watch::Sender<u64>,
}

impl Table {
    /// Reads what a former process left; what is not whole is removed.
    pub fn open(layout: &Layout) -> Result<Self> {
        let mut ingests = BTreeMap::new();
        for name in layout::list(&layout.ingests())? {
            let dir = layout.ingests().join(name);
            match About::read(dir.clone()) {
                Some(ingest) => {
                    let key = (ingest.namespace.clone(), ingest.reference.clone());
                    ingests.insert(key, Arc::new(ingest));
                }
                None => discard(&dir),
            }
        }
        let ingests = Mutex::new(ingests);
        Ok(Self { layout: layout.clone(), ingests, arrivals: watch::Sender::new(0) })
    }

    pub fn get(&self, namespace: &Namespace, reference: &str) -> Option<Arc<Ingest>> {
        self.lock().get(&(namespace.clone(), reference.to_owned())).cloned()
    }

    pub fn list(&self) -> Vec<Arc<Ingest>> {
        self.lock().values().cloned().collect()
    }

    /// The ingest to be followed for `digest`: the longest that is being written. One that nobody
    /// writes may be resumed or may not: whoever waits for it would not hear of another.
    pub fn expecting(&self, digest: &Digest) -> Option<Arc<Ingest>> {
        let ingests = self.lock();
        let written = ingests.values().filter(|ingest| ingest.is_held());
        let wanted = written.filter(|ingest| ingest.aims().expected == Some(*digest));
        wanted.max_by_key(|ingest| ingest.progress.borrow().offset).cloned()
    }

    /// Changes whenever a digest may have become available.
    pub fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// A blob or an ingest has come.
    pub fn arrived(&self) {
        self.arrivals.send_modify(|count| *count += 1);
    }

    /// Holds the ingest, made where there is none. Blocks.
    pub fn hold(&self, namespace: &Namespace, open: &OpenWriter) -> Result<Held> {
        let mut ingests = self.lock();
        let key = (namespace.clone(), open.ingest.clone());
        if let Some(ingest) = ingests.get(&key) {
            let held = ingest.hold().ok_or_else(|| locked(&open.ingest))?;
            let before = ingest.aims();
            if ingest.aim(open.total, open.expected) != before {
                About::of(ingest).write(&ingest.dir)?;
            }
            return Ok(held);
        }
        let ingest = Arc::new(self.make(namespace, open)?);
        let held = ingest.hold().ok_or_else(|| locked(&open.ingest))?;
        ingests.insert(key, ingest);
        Ok(held)
    }

    fn make(&self, namespace: &Namespace, open: &OpenWriter) -> Result<Ingest> {
        let dir = self.layout.ingests().join(About::dir_name(namespace, &open.ingest));
        let about = About {
            total: open.total,
            expected: open.expected,
            ..About::new(namespace, &open.ingest)
        };
        discard(&dir);
        std::fs::create_dir(&dir).map_err(|error| layout::at(&dir, error))?;
        about.write(&dir)?;
        Ok(Ingest::new(&about, dir, 0, about.started_at))
    }

    /// Forgets an ingest that the caller holds, and removes its directory. Blocks.
    pub fn remove(&self, ingest: &Ingest, end: End) {
        // The directory first: whoever finds no ingest may make a new one of that name at once.
        discard(&ingest.dir);
        self.lock().remove(&(ingest.namespace.clone(), ingest.reference.clone()));
        ingest.end(end);
        self.arrived();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Ingest>>> {
        self.ingests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody else is writing.
pub fn locked(reference: &str) -> Error {
    Error::unavailable(format!("ref {reference} locked: another writer holds it; try again"))
}

/// Removes an ingest's directory. What cannot be removed is left to the next open.
fn discard(dir: &Path) {
    let removed = match std::fs::symlink_metadata(dir) {
        Ok(facts) if facts.is_dir() => std::fs::remove_dir_all(dir),
        Ok(_) => std::fs::remove_file(dir),
        Err(_) => return,
    };
    if let Err(error) = removed {
        tracing::warn!(dir = %dir.display(), %error, "an ingest's directory cannot be removed");
    }
}
