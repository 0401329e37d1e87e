//! The store's records in lib/meta: what there is, its labels, and the edges that these imply.
//!
//! Every change goes through [`Change`], which keeps the stored edges in step with their owners in
//! the same transaction and tells the collector's barrier of every edge that is added.

use std::sync::Arc;

use varve_core::{Error, Kind, Result};
use varve_meta::{Db, Tx};

pub mod edges;
pub mod noun;
pub mod values;

pub use edges::Target;
pub use noun::{Noun, Sort, Stored};

use crate::collect::barrier::Barrier;
use crate::index::Touched;

/// Something that records can be read from: the database, or a transaction.
pub trait View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    /// Sorted by key.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>>;
    /// Whether `is_it` says so of the key of any record under `prefix`; it sees no more than it must.
    fn any_key(&self, prefix: &[u8], is_it: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool>;
}

impl View for Db {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Db::get(self, key)
    }
    fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        Db::scan(self, prefix)
    }
    fn any_key(&self, prefix: &[u8], is_it: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool> {
        Db::any_key(self, prefix, is_it)
    }
}

/// A transaction, and who must hear of edges and of what `index.json` shows.
pub struct Change<'a> {
    tx: &'a mut Tx,
    barrier: &'a Barrier,
    touched: &'a Touched,
}

impl View for Change<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.tx.get(key)
    }
    fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.tx.scan(prefix)
    }
    fn any_key(&self, prefix: &[u8], is_it: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool> {
        self.tx.any_key(prefix, is_it)
    }
}

impl Change<'_> {
    pub fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<()> {
        self.tx.put(key, value)
    }

    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.tx.delete(key)
    }

    /// Whether `key` has a record.
    pub fn has(&self, key: &[u8]) -> Result<bool> {
        Ok(self.tx.get(key)?.is_some())
    }

    /// Whether any record begins with `prefix`.
    pub fn any(&self, prefix: &[u8]) -> Result<bool> {
        Ok(self.tx.first(prefix)?.is_some())
    }

    pub fn barrier(&self) -> &Barrier {
        self.barrier
    }

    pub fn touched(&self) -> &Touched {
        self.touched
    }
}

/// The database, and what all changes go past.
pub struct Records {
    db: Db,
    pub barrier: Arc<Barrier>,
    pub touched: Arc<Touched>,
}

impl Records {
    pub fn new(db: Db) -> Self {
        Self { db, barrier: Arc::default(), touched: Arc::default() }
    }

    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Runs `op` as one transaction; durable when this answers.
    pub async fn write<T: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Change<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (barrier, touched) = (Arc::clone(&self.barrier), Arc::clone(&self.touched));
        self.db.write(move |tx| op(&mut Change { tx, barrier: &barrier, touched: &touched })).await
    }

    /// [`Records::write`] of what only matters together with a later write, which makes both durable.
    pub async fn write_ahead<T: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Change<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (barrier, touched) = (Arc::clone(&self.barrier), Arc::clone(&self.touched));
        self.db
            .write_ahead(move |tx| op(&mut Change { tx, barrier: &barrier, touched: &touched }))
            .await
    }

    /// [`Records::write`] for threads that may block.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Change<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (barrier, touched) = (Arc::clone(&self.barrier), Arc::clone(&self.touched));
        self.db
            .write_blocking(move |tx| op(&mut Change { tx, barrier: &barrier, touched: &touched }))
    }

    /// Reads off the async threads.
    pub async fn read<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Db) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let db = self.db.clone();
        blocking(move || op(&db)).await
    }
}

/// Runs what blocks off the async threads.
pub async fn blocking<T: Send + 'static>(
    op: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(op).await {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => {
            Err(Error::new(Kind::Cancelled, "the process is shutting down"))
        }
        Err(error) => {
            Err(Error::internal("a blocking task of the content store").with_source(error))
        }
    }
}
