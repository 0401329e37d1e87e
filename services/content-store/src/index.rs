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

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};
use varve_core::oci::{Document, MAX_DOCUMENT};
use varve_core::{Descriptor, Digest, Error, MediaType, Namespace, Result};

use crate::layout::{self, Layout};
use crate::records::{Change, View, blocking};
use crate::store::Store;

mod derive;
mod entry;

use entry::entry;

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
}

impl Index {
    /// While this is held nothing else comes to be shown.
    pub async fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().await
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    schema_version: u32,
    media_type: MediaType,
    pub manifests: Vec<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl File {
    /// What it was made from; `None` where it does not say, and so is not ours.
    pub fn generation(&self) -> Option<u64> {
        self.annotations.get(GENERATION)?.parse().ok()
    }

    /// The blobs that are there for this file alone.
    pub fn derived(&self) -> HashSet<Digest> {
        let made = |entry: &&Descriptor| entry.annotations.contains_key(DERIVED);
        self.manifests.iter().filter(made).map(|entry| entry.digest).collect()
    }

    fn is_whole(&self, layout: &Layout) -> bool {
        self.derived().iter().all(|digest| layout.blob_size(digest).is_some())
    }
}

/// Raises the generation, if the namespace is the one that is shown.
pub fn bump(change: &mut Change<'_>, namespace: &Namespace) -> Result<Option<u64>> {
    if *namespace != Namespace::default() {
        return Ok(None);
    }
    let generation = generation_of(change)? + 1;
    change.put(KEY, generation.to_string().into_bytes())?;
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
        let (layout, db) = (self.layout.clone(), self.records.db().clone());
        // The lock goes with the work: who gives up lets no second write begin beside this one.
        blocking(move || {
            *done = write(&layout, &db)?;
            Ok(())
        })
        .await
    }

    /// Writes the file where it is missing or behind. Blocks.
    pub fn project_if_behind(&mut self) -> Result<()> {
        let db = self.records.db();
        let file = read(&self.layout);
        let generation = file.as_ref().and_then(File::generation);
        let shown = match (file, generation) {
            (Some(file), Some(shown))
                if shown == generation_of(db)? && file.is_whole(&self.layout) =>
            {
                Shown { generation: shown, derived: file.derived() }
            }
            _ => write(&self.layout, db)?,
        };
        self.index = Index(Arc::new(Mutex::new(shown)));
        Ok(())
    }
}

/// The file as it is; `None` where it is missing or no index.
pub fn read(layout: &Layout) -> Option<File> {
    let path = layout.index();
    // Not limited to a document's size: it grows with the number of images, and is our own.
    let facts = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
    if facts.len() > 64 * MAX_DOCUMENT {
        return None;
    }
    serde_json::from_slice(&fs::read(&path).ok()?).ok()
}

/// The generation is read before the images: they can only be newer than it says.
fn write(layout: &Layout, view: &impl View) -> Result<Shown> {
    let generation = generation_of(view)?;
    let images = crate::images::list(view, &Namespace::default())?;
    let file = File {
        schema_version: 2,
        media_type: MediaType::OciIndex,
        manifests: images
            .iter()
            .filter_map(|image| entry(layout, image).transpose())
            .collect::<Result<_>>()?,
        annotations: BTreeMap::from([(GENERATION.to_owned(), generation.to_string())]),
    };
    let internal = |error| Error::internal("index.json cannot be written").with_source(error);
    layout::replace(&layout.index(), &serde_json::to_vec(&file).map_err(internal)?)?;
    Ok(Shown { generation, derived: file.derived() })
}

/// The parsed blob; `None` where it is not here, too large, or neither index nor manifest.
pub fn document(layout: &Layout, descriptor: &Descriptor) -> Option<Document> {
    let size = layout.blob_size(&descriptor.digest).filter(|size| *size <= MAX_DOCUMENT)?;
    if size != descriptor.size {
        return None;
    }
    let bytes = fs::read(layout.blob(&descriptor.digest)).ok()?;
    Document::parse(&descriptor.media_type, &bytes).ok()
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
