//! What all parts of an open store share, and the steps that more than one of them takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{RwLock, Semaphore};
use varve_core::collect::Attendee;
use varve_core::leases::Resource;
use varve_core::{Digest, Error, Kind, Namespace, Result, Scope};
use varve_meta::{Db, Options};

use crate::collect::removal::Removal;
use crate::config::Config;
use crate::containers;
use crate::content::Opened;
use crate::index::Index;
use crate::ingest::Table;
use crate::layout::Layout;
use crate::records::{Change, Noun, Records, Sort, View, blocking, edges, values};

/// An open store.
pub struct Store {
    pub config: Config,
    pub layout: Layout,
    pub records: Records,
    pub opened: Opened,
    pub ingests: Table,
    pub index: Index,
    pub writers: Arc<Semaphore>,
    /// Read by whoever puts a blob's file in place until its record is written; written by whoever
    /// removes files that have no record.
    pub placing: RwLock<()>,
    pub attendees: Mutex<BTreeMap<String, Arc<dyn Attendee>>>,
    pub removal: Arc<Removal>,
    /// Whoever has the directory now may be another process.
    pub closed: AtomicBool,
    /// What the open had to make anew, until somebody is told.
    pub rebuilt: Mutex<Option<String>>,
    /// One collection at a time.
    pub collecting: tokio::sync::Mutex<()>,
}

impl Store {
    /// Opens or makes the store. Blocks.
    pub fn open(config: Config) -> Result<Self> {
        let layout = Layout::open(&config.dir, config.images)?;
        let options = Options { name: "content", ..Options::default() };
        let (db, recovery) = Db::open(&layout.meta(), options)?;
        layout.empty_passing()?;
        let mut store = Self {
            records: Records::new(db),
            opened: Opened::default(),
            ingests: Table::open(&layout)?,
            index: Index::default(),
            writers: Arc::new(Semaphore::new(config.max_writers)),
            placing: RwLock::default(),
            attendees: Mutex::default(),
            removal: Arc::default(),
            closed: AtomicBool::new(false),
            rebuilt: Mutex::default(),
            collecting: tokio::sync::Mutex::default(),
            layout,
            config,
        };
        store.rebuild_if_lost(&recovery)?;
        store.records.write_blocking(edges::complete)?;
        crate::leases::drop_stale_mounts(&store.records, &varve_core::boot_id()?)?;
        containers::body::sweep(&store.layout, &store.records)?;
        store.project_if_behind()?;
        Ok(store)
    }

    /// Refuses whatever would touch a file once the store is closed.
    pub fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(Error::unavailable("the content store is closed")),
            false => Ok(()),
        }
    }

    /// Adds `resource` to the request's lease, if it has one: before what is held is written, and so
    /// durable before that is.
    pub async fn hold(&self, scope: &Scope, resource: Resource) -> Result<()> {
        if scope.lease.is_none() {
            return Ok(());
        }
        let scope = scope.clone();
        self.records.write_ahead(move |change| hold(change, &scope, &resource)).await
    }

    /// Whether the namespace has the blob: its record, and its file with the record's size. Where
    /// so, it is added to the request's lease.
    pub async fn hold_present(self: &Arc<Self>, scope: &Scope, digest: &Digest) -> Result<bool> {
        let (scope, digest) = (scope.clone(), *digest);
        if !self.is_sound(digest).await? {
            return Ok(false);
        }
        self.records
            .write(move |change| {
                let present = record(change, &scope.namespace, &digest)?.is_some();
                if present {
                    hold(change, &scope, &Resource::content(&digest))?;
                }
                Ok(present)
            })
            .await
    }

    /// Whether any namespace has the blob and its file is what its record says.
    pub async fn is_sound(self: &Arc<Self>, digest: Digest) -> Result<bool> {
        let store = Arc::clone(self);
        blocking(move || {
            let Some(record) = record_of_any(store.records.db(), &digest)? else {
                return Ok(false);
            };
            match store.open_sound(&digest, &record) {
                Err(error) if error.kind() == Kind::DataLoss => Ok(false),
                opened => opened.map(|_| true),
            }
        })
        .await
    }

    /// The record of a blob in this namespace, else in any.
    pub async fn held(
        &self,
        namespace: &Namespace,
        digest: &Digest,
    ) -> Result<Option<values::Content>> {
        let (namespace, digest) = (namespace.clone(), *digest);
        let own = self.records.read(move |db| record(db, &namespace, &digest)).await?;
        match own {
            None => self.held_by_any(&digest).await,
            own => Ok(own),
        }
    }

    /// The record of a blob in any namespace.
    pub async fn held_by_any(&self, digest: &Digest) -> Result<Option<values::Content>> {
        let digest = *digest;
        self.records.read(move |db| record_of_any(db, &digest)).await
    }

    /// After records were removed: removes the files of `digests` that no namespace has a record of and
    /// `index.json` was not given, and answers the bytes.
    pub async fn remove_files(&self, mut digests: Vec<Digest>) -> Result<u64> {
        self.opened.let_go();
        let shown = self.index.lock().await;
        digests.retain(|digest| !shown.derived.contains(digest));
        let _alone = self.placing.write().await;
        let layout = self.layout.clone();
        self.records
            .read(move |db| {
                let mut bytes = 0;
                for digest in &digests {
                    if db.scan(&edges::holder_prefix(digest))?.is_empty() {
                        bytes += layout.remove_blob(digest)?;
                    }
                }
                Ok(bytes)
            })
            .await
    }
}

/// Adds a resource to the request's lease inside a transaction. NotFound where the lease is not.
pub fn hold(change: &mut Change<'_>, scope: &Scope, resource: &Resource) -> Result<()> {
    let Some(id) = &scope.lease else { return Ok(()) };
    let lease = Noun::new(Sort::Lease, &scope.namespace, id.as_str());
    if !change.has(&lease.key())? {
        return Err(Error::not_found(format!("lease {id} does not exist")));
    }
    lease.add_resource(change, resource)
}

/// The blob's record in one namespace.
pub fn record(
    view: &impl View,
    namespace: &Namespace,
    digest: &Digest,
) -> Result<Option<values::Content>> {
    let noun = Noun::content(namespace, digest);
    view.get(&noun.key())?.map(|value| values::decode(&noun, &value)).transpose()
}

/// The blob's record in whichever namespace has one.
pub fn record_of_any(view: &impl View, digest: &Digest) -> Result<Option<values::Content>> {
    let prefix = edges::holder_prefix(digest);
    for (key, _) in view.scan(&prefix)? {
        let namespace = std::str::from_utf8(&key[prefix.len()..]).ok();
        let Some(namespace) = namespace.and_then(|name| name.parse().ok()) else { continue };
        if let Some(record) = record(view, &namespace, digest)? {
            return Ok(Some(record));
        }
    }
    Ok(None)
}
