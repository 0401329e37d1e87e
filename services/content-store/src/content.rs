//! The content trait on the store: blobs, and the doors to ingests.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use varve_core::content::{self, Content, Info, OpenWriter, Reader, Status};
use varve_core::leases::Resource;
use varve_core::{Digest, Error, Filter, Kind, Labels, Mask, Namespace, Result, Scope, labels};

use crate::ContentStore;
use crate::index::Entries;
use crate::ingest::follower::Follower;
use crate::ingest::table::locked;
use crate::ingest::writer::{self, Writer};
use crate::ingest::{End, Held};
use crate::records::{Change, Noun, Sort, Stored, View, blocking, edges, noun, values};
use crate::store::{self, Store};

mod blob;
mod opened;
pub mod sound;

use blob::Blob;
pub use opened::Opened;

#[async_trait]
impl Content for ContentStore {
    async fn info(&self, scope: &Scope, digest: &Digest) -> Result<Info> {
        let (namespace, digest) = (scope.namespace.clone(), *digest);
        self.store.records.read(move |db| load(db, &namespace, &digest)).await
    }

    async fn update(
        &self,
        scope: &Scope,
        digest: &Digest,
        labels: &Labels,
        mask: &Mask,
    ) -> Result<Info> {
        mask.check(&[])?;
        let (namespace, digest) = (scope.namespace.clone(), *digest);
        let (labels, mask) = (labels.clone(), mask.clone());
        let write = self.store.records.write(move |change| {
            relabel(change, &namespace, &digest, |now| mask.apply_labels(now, &labels))
        });
        let info = write.await?;
        self.store.settled_labels(&scope.namespace, &info.labels).await;
        Ok(info)
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        let filter = Filter::parse(filters)?;
        let namespace = scope.namespace.clone();
        self.store
            .records
            .read(move |db| {
                let all = noun::list(db, Sort::Content, &namespace)?.into_iter();
                let all: Result<Vec<Info>> = all
                    .map(|(name, stored)| info(&Noun::new(Sort::Content, &namespace, name), stored))
                    .collect();
                Ok(all?.into_iter().filter(|info| filter.matches(info)).collect())
            })
            .await
    }

    async fn delete(&self, scope: &Scope, digest: &Digest) -> Result<()> {
        let (namespace, digest) = (scope.namespace.clone(), *digest);
        let projected = self.store.records.write(move |change| {
            remove(change, &namespace, &digest)?.ok_or_else(|| missing(&digest))
        });
        let projected = projected.await?;
        self.store.remove_files(vec![digest]).await?;
        match projected {
            Some(generation) => self.store.project(generation).await,
            None => Ok(()),
        }
    }

    async fn reader(&self, scope: &Scope, digest: &Digest) -> Result<Arc<dyn Reader>> {
        let opened = &self.store.opened;
        if let Some(blob) = opened.get(&scope.namespace, digest) {
            return Ok(blob);
        }
        let moment = opened.moment();
        let (store, namespace, digest) =
            (Arc::clone(&self.store), scope.namespace.clone(), *digest);
        let blob = Arc::new(blocking(move || store.open_blob(&namespace, digest)).await?);
        opened.keep(moment, scope.namespace.clone(), &blob);
        Ok(blob)
    }

    async fn status(&self, scope: &Scope, ingest: &str) -> Result<Status> {
        let found = self.store.ingests.get(&scope.namespace, ingest);
        found.map(|ingest| ingest.status()).ok_or_else(|| no_ingest(ingest))
    }

    async fn list_statuses(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Status>> {
        let filter = Filter::parse(filters)?;
        let all = self.store.ingests.list().into_iter();
        let ours = all.filter(|ingest| ingest.namespace == scope.namespace);
        Ok(ours.map(|ingest| ingest.status()).filter(|status| filter.matches(status)).collect())
    }

    async fn writer(&self, scope: &Scope, open: OpenWriter) -> Result<Box<dyn content::Writer>> {
        writer::check(&open)?;
        self.store.check_open()?;
        if let Some(digest) = &open.expected
            && self.store.hold_present(scope, digest).await?
        {
            self.drop_ingest(scope, &open.ingest).await.or_else(unless_busy)?;
            return Err(Error::already_exists(format!("blob {digest} already exists")));
        }
        self.store.hold(scope, Resource::ingest(&open.ingest)).await?;
        let held = self.hold_ingest(&scope.namespace, open).await?;
        let writer = Writer::open(Arc::clone(&self.store), scope, held).await?;
        self.store.ingests.arrived();
        Ok(Box::new(writer))
    }

    async fn abort(&self, scope: &Scope, ingest: &str) -> Result<()> {
        self.store.check_open()?;
        match self.drop_ingest(scope, ingest).await? {
            true => Ok(()),
            false => Err(no_ingest(ingest)),
        }
    }

    async fn follow(&self, scope: &Scope, digest: &Digest) -> Result<Box<dyn content::Follower>> {
        Ok(Box::new(Follower::new(Arc::clone(&self.store), scope.namespace.clone(), *digest)))
    }

    fn passing(&self) -> Option<PathBuf> {
        Some(self.store.layout.passing())
    }
}

impl ContentStore {
    async fn hold_ingest(&self, namespace: &Namespace, open: OpenWriter) -> Result<Held> {
        let (store, namespace) = (Arc::clone(&self.store), namespace.clone());
        blocking(move || store.ingests.hold(&namespace, &open)).await
    }

    /// Removes an ingest that nobody holds; `false` where there is none.
    async fn drop_ingest(&self, scope: &Scope, reference: &str) -> Result<bool> {
        let Some(ingest) = self.store.ingests.get(&scope.namespace, reference) else {
            return Ok(false);
        };
        let held = ingest.hold().ok_or_else(|| locked(reference))?;
        self.store.drop_held(held).await?;
        Ok(true)
    }
}

impl Store {
    /// Opens what the namespace has a record of. Blocks.
    fn open_blob(&self, namespace: &Namespace, digest: Digest) -> Result<Blob> {
        let record = store::record(self.records.db(), namespace, &digest)?;
        let record = record.ok_or_else(|| missing(&digest))?;
        Blob::new(self.open_sound(&digest, &record)?, digest)
    }

    /// Removes an ingest; its last writer's thread has ended then.
    pub async fn drop_held(self: &Arc<Self>, held: Held) -> Result<()> {
        let baton = Arc::clone(&held.0.baton).lock_owned().await;
        let store = Arc::clone(self);
        blocking(move || {
            store.ingests.remove(&held.0, End::Gone);
            drop(baton);
            Ok(())
        })
        .await
    }
}

/// An ingest that is being written goes by itself, when its writer finds the blob there.
fn unless_busy(error: Error) -> Result<bool> {
    if error.kind() == Kind::Unavailable { Ok(false) } else { Err(error) }
}

pub fn missing(digest: &Digest) -> Error {
    Error::not_found(format!("content {digest}: not found"))
}

fn no_ingest(reference: &str) -> Error {
    Error::not_found(format!("ingest {reference}: not found"))
}

fn load(view: &impl View, namespace: &Namespace, digest: &Digest) -> Result<Info> {
    let noun = Noun::content(namespace, digest);
    info(&noun, noun.load(view)?.ok_or_else(|| missing(digest))?)
}

fn info(noun: &Noun, stored: Stored) -> Result<Info> {
    let value: values::Content = values::decode(noun, &stored.value)?;
    Ok(Info {
        digest: noun.name.parse()?,
        size: value.size,
        created_at: value.created,
        updated_at: value.updated,
        labels: stored.labels,
    })
}

/// Changes a blob's labels, and its edges with them. NotFound where it is not.
pub fn relabel(
    change: &mut Change<'_>,
    namespace: &Namespace,
    digest: &Digest,
    edit: impl FnOnce(&mut Labels) -> Result<()>,
) -> Result<Info> {
    let noun = Noun::content(namespace, digest);
    let mut stored = noun.load(change)?.ok_or_else(|| missing(digest))?;
    let mut value: values::Content = values::decode(&noun, &stored.value)?;
    edit(&mut stored.labels)?;
    labels::check(&stored.labels)?;
    value.updated = varve_core::time::now();
    stored.value = values::encode(&value)?;
    noun.save(change, &stored)?;
    info(&noun, stored)
}

/// Removes a blob's records in one namespace. `None` where it has none; else the index's new
/// generation, if an image pointed to it.
pub fn remove(
    change: &mut Change<'_>,
    namespace: &Namespace,
    digest: &Digest,
) -> Result<Option<Option<u64>>> {
    if Noun::content(namespace, digest).remove(change)?.is_none() {
        return Ok(None);
    }
    change.delete(&edges::holder_key(digest, namespace))?;
    let pointed_to = change.any(&edges::image_prefix(namespace, digest))?;
    let generation =
        pointed_to.then(|| crate::index::bump(change, namespace, Entries::All)).transpose()?;
    Ok(Some(generation.flatten()))
}
