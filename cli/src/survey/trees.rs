//! Where images are unpacked, and how large they are there.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use varve_core::labels::GC_REF_SNAPSHOT;
use varve_core::snapshotters::{Driver, Drivers};
use varve_core::{ChainId, Digest, Result, ResultExt, Scope};

use crate::services::{Services, Snapshotter};
use crate::session::Session;

/// An unpacked image.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tree {
    pub snapshotter: String,
    /// Bytes on disk.
    pub size: u64,
}

/// Asks each snapshotter once that there is, and each for a layer once.
pub struct Trees {
    services: Services,
    scope: Scope,
    drivers: OnceCell<Drivers>,
    /// Opened when an image names them; none for one that does not work here.
    opened: AsyncMutex<HashMap<String, Option<Snapshotter>>>,
    sizes: Mutex<HashMap<(String, ChainId), Option<u64>>>,
    /// All that a snapshotter has, where that was asked for.
    keys: AsyncMutex<HashMap<String, HashSet<String>>>,
}

impl Trees {
    pub fn new(session: &Session) -> Self {
        Self {
            services: session.services.clone(),
            scope: session.scope.clone(),
            drivers: OnceCell::new(),
            opened: AsyncMutex::default(),
            sizes: Mutex::default(),
            keys: AsyncMutex::default(),
        }
    }

    /// Whether the snapshotter has the layer; it is asked once for all that it has.
    pub async fn has(&self, snapshotter: &str, layer: &ChainId) -> Result<bool> {
        let mut keys = self.keys.lock().await;
        if !keys.contains_key(snapshotter) {
            let all = match self.open(snapshotter).await? {
                Some(opened) => opened.snapshots.list(&self.scope, &[]).await?,
                None => Vec::new(),
            };
            let all = all.into_iter().map(|info| info.name).collect();
            keys.insert(snapshotter.to_owned(), all);
        }
        Ok(keys.get(snapshotter).is_some_and(|all| all.contains(&layer.to_string())))
    }

    /// Whether anything is unpacked.
    pub async fn any(&self) -> Result<bool> {
        Ok(self.drivers().await?.iter().any(|driver| driver.used))
    }

    /// The first snapshotter that the labels of the config `id` name and that has every layer, bottom first.
    pub async fn of(&self, id: &Digest, layers: &[ChainId]) -> Result<Option<Tree>> {
        if !self.any().await? {
            return Ok(None);
        }
        let info = self.services.content.info(&self.scope, id).await?;
        for label in info.labels.keys() {
            let Some(name) = label.strip_prefix(GC_REF_SNAPSHOT) else { continue };
            let Some(snapshotter) = self.open(name).await? else { continue };
            if let Some(size) = self.size_in(&snapshotter, layers).await? {
                return Ok(Some(Tree { snapshotter: snapshotter.name, size }));
            }
        }
        Ok(None)
    }

    async fn drivers(&self) -> Result<&[Driver]> {
        let ask = || self.services.snapshotters.drivers();
        Ok(&self.drivers.get_or_try_init(ask).await?.drivers)
    }

    async fn open(&self, name: &str) -> Result<Option<Snapshotter>> {
        let mut opened = self.opened.lock().await;
        if let Some(known) = opened.get(name) {
            return Ok(known.clone());
        }
        let used = self.drivers().await?.iter().any(|driver| driver.used && driver.name == name);
        let snapshotter = match used {
            true => self.services.snapshotters.open(name).await.map_err(|error| {
                tracing::warn!("snapshotter {name} is left out: {}", error.chain());
            }),
            false => Err(()),
        };
        let snapshotter = snapshotter.ok();
        opened.insert(name.to_owned(), snapshotter.clone());
        Ok(snapshotter)
    }

    /// The sum of the layers, or the size of the uppermost where each has the whole tree; `None` where
    /// one of them is missing.
    async fn size_in(&self, snapshotter: &Snapshotter, layers: &[ChainId]) -> Result<Option<u64>> {
        let first = if snapshotter.copies { layers.len().saturating_sub(1) } else { 0 };
        let mut sum = 0_u64;
        for layer in &layers[first..] {
            let Some(size) = self.layer(snapshotter, *layer).await? else {
                return Ok(None);
            };
            sum = sum.saturating_add(size);
        }
        Ok(Some(sum))
    }

    async fn layer(&self, snapshotter: &Snapshotter, chain_id: ChainId) -> Result<Option<u64>> {
        let key = (snapshotter.name.clone(), chain_id);
        let sizes = || self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sizes().get(&key) {
            return Ok(*known);
        }
        let usage =
            snapshotter.snapshots.usage(&self.scope, &chain_id.to_string()).await.found()?;
        let size = usage.map(|usage| usage.size);
        sizes().insert(key, size);
        Ok(size)
    }
}
