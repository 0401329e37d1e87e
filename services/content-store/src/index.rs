//! `index.json`: the images of the default namespace, as skopeo and umoci read them.
//!
//! A projection: never read by Varve but to rebuild lost metadata. It carries the generation that
//! it was made from; the record of that number is raised in the same transaction as any change that
//! it may show, so that an open store finds out whether its file is behind.
//!
//! An entry is the image's target with its name in `org.opencontainers.image.ref.name`. An index of
//! which only some platforms are here is replaced by the one manifest that is here, because umoci
//! takes an index of several platforms for an ambiguous tag and skopeo would follow it to blobs
//! that are absent; a manifest of Docker's is replaced by one that is derived from it. Then
//! `varve.target` keeps the true target.

use std::collections::HashSet;
use std::fs;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};
use varve_core::oci::Document;
use varve_core::{Descriptor, Digest, Namespace, Result};
use varve_meta::Db;

use crate::layout::Layout;
use crate::records::{Change, Noun, Sort, View, blocking};
use crate::store::Store;

mod derive;
mod entry;
mod file;
mod touched;

use entry::entry;
pub use file::{File, Head};
pub use touched::{Entries, Touched};

pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The image's name, where the specification's grammar does not take it.
pub const NAME: &str = "varve.name";
/// The image's target as JSON, where the entry is one of its manifests.
pub const TARGET: &str = "varve.target";
/// The entry is a manifest without a record, made for it alone.
const DERIVED: &str = "varve.derived";
const GENERATION: &str = "varve.generation";
const KEY: &[u8] = b"index/generation";

/// What is on disk.
#[derive(Default)]
pub struct Index(Arc<Mutex<Shown>>);

/// The generation that is shown, and the blobs that are there for it alone.
#[derive(Default)]
pub struct Shown {
    generation: u64,
    pub derived: HashSet<Digest>,
    /// Those that were and are not any more, until a collection takes their files.
    pub dropped: HashSet<Digest>,
}

impl Index {
    /// While this is held nothing else comes to be shown.
    pub async fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().await
    }
}

/// What the file is made from.
struct Source {
    db: Db,
    touched: Arc<Touched>,
}

/// Raises the generation, if the namespace is the one that is shown, where `entries` may change.
pub fn bump(
    change: &mut Change<'_>,
    namespace: &Namespace,
    entries: Entries,
) -> Result<Option<u64>> {
    if *namespace != Namespace::default() {
        return Ok(None);
    }
    let generation = generation_of(change)? + 1;
    change.put(KEY, generation.to_string().into_bytes())?;
    change.touched().note(generation, entries);
    Ok(Some(generation))
}

/// Raises the generation to that of a file which was found; whether the file is newer.
pub fn overtake(change: &mut Change<'_>, shown: u64) -> Result<bool> {
    let newer = shown > generation_of(change)?;
    if newer {
        change.put(KEY, shown.to_string().into_bytes())?;
    }
    Ok(newer)
}

/// The generation that the records are at.
pub fn generation_of(view: &impl View) -> Result<u64> {
    let text = view.get(KEY)?.unwrap_or_default();
    Ok(std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(0))
}

impl Store {
    /// Answers when `index.json` shows `generation` or a later one.
    pub async fn project(&self, generation: u64) -> Result<()> {
        let mut done = Arc::clone(&self.index.0).lock_owned().await;
        if done.generation >= generation {
            return Ok(());
        }
        let (layout, records) = (self.layout.clone(), self.source());
        // The lock goes with the work: who gives up lets no second write begin beside this one.
        blocking(move || update(&layout, &records, &mut done)).await
    }

    /// Writes the file where it is missing or behind. Blocks.
    pub fn project_if_behind(&mut self) -> Result<()> {
        let generation = generation_of(self.records.db())?;
        let there = |digest: &Digest| self.layout.blob_size(digest).is_some();
        let right =
            |file: &File| file.generation() == Some(generation) && file.derived().iter().all(there);
        let derived = match Head::read(&self.layout) {
            Some(head) if head.generation == generation && head.derived == 0 => HashSet::new(),
            _ => match File::read(&self.layout).filter(right) {
                Some(file) => file.derived().clone(),
                None => write(&self.layout, self.records.db(), generation)?,
            },
        };
        let shown = Shown { generation, derived, dropped: HashSet::new() };
        self.index = Index(Arc::new(Mutex::new(shown)));
        Ok(())
    }

    fn source(&self) -> Source {
        Source { db: self.records.db().clone(), touched: Arc::clone(&self.records.touched) }
    }
}

/// Brings the file to the generation of the records. That is read before the images: they can only
/// be newer than it says.
fn update(layout: &Layout, records: &Source, before: &mut Shown) -> Result<()> {
    let generation = generation_of(&records.db)?;
    let shown = match records.touched.take(generation) {
        Entries::Of(names) => patch(layout, &records.db, before, generation, &names),
        Entries::All => Ok(None),
    };
    let shown = shown.and_then(|derived| match derived {
        Some(derived) => Ok(derived),
        None => write(layout, &records.db, generation),
    });
    // What was told is forgotten: the next time has to look at all.
    let derived = shown.inspect_err(|_| records.touched.note(generation, Entries::All))?;
    before.dropped.extend(before.derived.difference(&derived));
    (before.generation, before.derived) = (generation, derived);
    Ok(())
}

/// Writes the entries of these images anew; `None` where the file is not what was written last.
fn patch(
    layout: &Layout,
    view: &impl View,
    before: &Shown,
    generation: u64,
    names: &[String],
) -> Result<Option<HashSet<Digest>>> {
    let last = |file: &File| file.generation() == Some(before.generation);
    let Some(file) = File::read(layout).filter(last) else { return Ok(None) };
    let mut entries = Vec::new();
    for name in names {
        let noun = Noun::new(Sort::Image, &Namespace::default(), name.as_str());
        let image = crate::images::load(view, &noun)?;
        entries.extend(image.map(|image| entry(layout, &image)).transpose()?.flatten());
    }
    file.patch(layout, generation, names, &entries).map(Some)
}

fn write(layout: &Layout, view: &impl View, generation: u64) -> Result<HashSet<Digest>> {
    let images = crate::images::list(view, &Namespace::default())?;
    let entries = images.iter().filter_map(|image| entry(layout, image).transpose());
    file::write(layout, generation, entries.collect::<Result<_>>()?)
}

/// The parsed blob; `None` where it is not here, too large, or neither index nor manifest.
pub fn document(layout: &Layout, descriptor: &Descriptor) -> Option<Document> {
    let size = layout.blob_size(&descriptor.digest)?;
    if size != descriptor.size || size > layout.images.document {
        return None;
    }
    let bytes = fs::read(layout.blob(&descriptor.digest)).ok()?;
    Document::parse(&descriptor.media_type, &bytes, &layout.images).ok()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use super::*;
    use crate::Config;

    #[test]
    fn a_projection_that_is_given_up_lets_no_other_begin_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config::new(dir.path())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
        runtime.unwrap().block_on(async {
            let (gate, closed) = std::sync::mpsc::channel::<()>();
            let busy = tokio::task::spawn_blocking(move || closed.recv());
            {
                let mut given_up = pin!(store.project(1));
                let polled = std::future::poll_fn(|cx| Poll::Ready(given_up.as_mut().poll(cx)));
                assert!(polled.await.is_pending());
            }
            assert!(store.index.0.try_lock().is_err(), "its work is still to come");
            drop(gate);
            assert!(busy.await.unwrap().is_err());
            drop(store.index.lock().await);
        });
    }
}
