//! How an ingest becomes a blob: checked, durable, renamed, recorded, in this order.

use varve_core::leases::Resource;
use varve_core::{Digest, Error, Labels, Result};

use super::writer::Writer;
use super::{End, Ingest};
use crate::content::sound;
use crate::index::{self, Entries};
use crate::records::values::Seal;
use crate::records::{Change, Noun, Sort, Stored, blocking, edges, values};
use crate::store::{self, hold};

/// What the bytes must be.
pub struct Checked {
    /// 0 for whatever it is.
    pub size: u64,
    pub expected: Option<Digest>,
}

impl Checked {
    /// FailedPrecondition where the ingest is something else.
    pub fn check(&self, ingest: &Ingest, size: u64, digest: &Digest) -> Result<()> {
        let noun = &ingest.reference;
        if self.size > 0 && self.size != size {
            let message =
                format!("ingest {noun}: unexpected commit size {size}, want {}", self.size);
            return Err(Error::precondition(message));
        }
        match self.expected {
            Some(expected) if expected != *digest => Err(Error::precondition(format!(
                "ingest {noun}: unexpected commit digest {digest}, want {expected}"
            ))),
            _ => Ok(()),
        }
    }
}

/// Makes synced bytes the blob `digest` of the writer's namespace.
pub async fn place(writer: &Writer, digest: Digest, size: u64, labels: Labels) -> Result<Digest> {
    let store = &writer.store;
    // Looked at before anything is placed: a damaged blob is marked by whoever is alone.
    let sound = store.is_sound(digest).await?;
    let placing = store.placing.read().await;
    store.check_open()?;
    // Over a file of that name too: these bytes have just been hashed, those may be damaged.
    let (layout, data) = (store.layout.clone(), writer.ingest.data());
    // The ref is not free before the rename is over, even if the commit is given up meanwhile.
    let held = writer.held.clone();
    let seal = blocking(move || {
        let _held = held;
        layout.place(&data, &digest)
    })
    .await?;
    let recorded = record(writer, digest, Seal { size, ..seal }, labels, sound).await;
    drop(placing);
    if recorded.is_err() {
        take_back(writer, digest).await;
    }
    end(writer, digest, recorded).await
}

/// The records could not be written (a full disk): the bytes become the ingest's again, so that it
/// can be resumed, unless a record of somebody else has come to need them.
async fn take_back(writer: &Writer, digest: Digest) {
    let store = &writer.store;
    // Alone, so that no other commit of this digest is between its rename and its record.
    let _alone = store.placing.write().await;
    if !matches!(store.held_by_any(&digest).await, Ok(None)) {
        return;
    }
    let (layout, data) = (store.layout.clone(), writer.ingest.data());
    let held = writer.held.clone();
    let taken_back = blocking(move || {
        let _held = held;
        layout.take_back(&data, &digest)
    });
    if let Err(error) = taken_back.await {
        tracing::warn!(%digest, error = %error.chain(), "the ingest has to begin anew");
    }
}

/// Makes the blob that another namespace has this one's too.
pub async fn link(writer: &Writer, digest: Digest, labels: Labels) -> Result<Digest> {
    let (scope, reference) = (writer.scope.clone(), writer.ingest.reference.clone());
    let linked = writer.store.records.write(move |change| {
        let Some(there) = store::record_of_any(change, &digest)? else {
            let message = format!("blob {digest} went while it was being shared; begin anew");
            return Err(Error::aborted(message));
        };
        release(change, &scope, &reference)?;
        add(change, &scope, &digest, there.seal(), labels)
    });
    end(writer, digest, linked.await).await
}

async fn record(
    writer: &Writer,
    digest: Digest,
    seal: Seal,
    labels: Labels,
    sound: bool,
) -> Result<Added> {
    let (scope, reference) = (writer.scope.clone(), writer.ingest.reference.clone());
    let write = writer.store.records.write(move |change| {
        release(change, &scope, &reference)?;
        let added = add(change, &scope, &digest, seal, labels)?;
        // The file is another one, whichever namespaces know of it.
        sound::reseal(change, &digest, seal)?;
        if sound || added.new {
            return Ok(added);
        }
        // A record whose file was lost or damaged is no blob that was there; and what it shows may have
        // been left out.
        let generation = index::bump(change, &scope.namespace, Entries::All)?;
        Ok(Added { new: true, generation })
    });
    write.await
}

/// What became of the records.
struct Added {
    /// There was no such blob before.
    new: bool,
    /// Of `index.json`, where an image was waiting for its target.
    generation: Option<u64>,
}

/// Adds the blob's record, under the lease first. Where there was one, it stays as it is.
fn add(
    change: &mut Change<'_>,
    scope: &varve_core::Scope,
    digest: &Digest,
    seal: Seal,
    labels: Labels,
) -> Result<Added> {
    hold(change, scope, &Resource::content(digest))?;
    change.barrier().born(&scope.namespace, digest);
    let noun = Noun::content(&scope.namespace, digest);
    if change.has(&noun.key())? {
        return Ok(Added { new: false, generation: None });
    }
    insert(change, &noun, digest, seal, labels)?;
    let awaited = change.any(&edges::image_prefix(&scope.namespace, digest))?;
    let generation =
        awaited.then(|| index::bump(change, &scope.namespace, Entries::All)).transpose()?;
    Ok(Added { new: true, generation: generation.flatten() })
}

/// The records of a new blob.
pub fn insert(
    change: &mut Change<'_>,
    noun: &Noun,
    digest: &Digest,
    seal: Seal,
    labels: Labels,
) -> Result<()> {
    let value = values::encode(&values::Content::new(seal))?;
    noun.save(change, &Stored { value, labels, ..Stored::default() })?;
    change.put(&edges::holder_key(digest, &noun.namespace), Vec::new())
}

/// The lease need not hold the ingest any longer.
fn release(change: &mut Change<'_>, scope: &varve_core::Scope, reference: &str) -> Result<()> {
    let Some(id) = &scope.lease else { return Ok(()) };
    let lease = Noun::new(Sort::Lease, &scope.namespace, id.as_str());
    lease.remove_resource(change, &Resource::ingest(reference))
}

/// Removes the ingest, which is a blob now, and tells its followers.
async fn end(writer: &Writer, digest: Digest, recorded: Result<Added>) -> Result<Digest> {
    let added = recorded?;
    let (store, ingest) = (writer.store.clone(), writer.ingest.clone());
    let held = writer.held.clone();
    blocking(move || {
        let _held = held;
        store.ingests.remove(&ingest, End::Committed(digest));
        Ok(())
    })
    .await?;
    if let Some(generation) = added.generation {
        writer.store.project(generation).await?;
    }
    if !added.new {
        return Err(Error::already_exists(format!("blob {digest} already exists")));
    }
    Ok(digest)
}
