//! The content store: blobs on disk, ingests, and the records of images, leases, containers and
//! namespaces; the reference counts, and the one collector.
//!
//! Owns its directory and promises what README.md says: a blob that can be read by digest was
//! hashed to it, nothing points at what is not on disk, a crash leaves nothing that the next start
//! does not finish or undo. Leaves fetching, unpacking and the wire to others.

mod collect;
mod config;
mod containers;
mod content;
mod fsck;
mod images;
mod index;
mod ingest;
mod layout;
mod leases;
mod namespaces;
mod rebuild;
mod records;
mod scrub;
mod store;
#[cfg(feature = "testsuite")]
pub mod testsuite;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use varve_core::Result;

pub use config::Config;
use records::blocking;
pub use scrub::Scrub;
use store::Store;

/// An open store: Content, Images, Leases, Namespaces, Containers and Collector in one.
pub struct ContentStore {
    store: Arc<Store>,
}

/// Opens the store in `config.dir`, made where there is none.
///
/// # Errors
/// Unavailable while another process has it; the machine's errors.
pub async fn open(config: Config) -> Result<Arc<ContentStore>> {
    let store = blocking(move || Store::open(config)).await?;
    Ok(Arc::new(ContentStore { store: Arc::new(store) }))
}

impl ContentStore {
    /// The snapshotters that ever attended a collection. One that is away hinders it if it was not
    /// closed in good order: who wants all to be collected opens these too.
    pub async fn known_attendees(&self) -> Result<Vec<String>> {
        self.store.known_attendees().await
    }

    /// Writes what is pending and lets go of the directory. Attending snapshotters must still be
    /// open: each is asked once more what it refers to. What is called later is refused.
    pub async fn close(&self) -> Result<()> {
        self.store.settle_attendees().await;
        // Blobs on their way into place get there first.
        let _alone = self.store.placing.write().await;
        self.store.closed.store(true, Ordering::Release);
        self.store.opened.let_go();
        let db = self.store.records.db().clone();
        blocking(move || db.close()).await
    }
}
