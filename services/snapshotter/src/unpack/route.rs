//! The two ways of a layer: side by side with others, to be settled on its parent afterwards; or in
//! order, through the parent's own tree.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};
use varve_core::snapshots::{Kind, Usage};
use varve_core::unpack::Unpacked;
use varve_core::{Error, Result};

use super::settle::{Settled, settle};
use super::{Extraction, Job, extract, ready};
use crate::apply::{Applied, Mode, OverlayXattrs};
use crate::drivers::{Driver, TREE, make_tree, merged};
use crate::graph::{DirId, Look};
use crate::mounting::{Detached, open_dir};
use crate::places::Staged;
use crate::service::{Below, Inner, Snapshotter, blocking};

/// A staged layer whose bytes were right.
pub(crate) struct Verified {
    pub staged: Staged,
    pub applied: Applied,
    /// The directory of the parent that it was laid down on.
    pub on: Option<DirId>,
}

impl<D: Driver> Snapshotter<D> {
    pub(super) async fn route(&self, job: &Job) -> Result<Verified> {
        if job.layer.parent.is_some() && !self.0.driver.stacks() {
            return self.in_order(job).await;
        }
        let mut layer = self.side_by_side(job).await?;
        if job.layer.parent.is_some() {
            let below = self.parent_published(job).await?;
            let (settled, met) = self.meet(layer, below).await?;
            if settled == Settled::NeedsParent {
                drop(met);
                return self.in_order(job).await;
            }
            layer = met;
        }
        Ok(layer)
    }

    /// Extracts a layer alone, as its bytes come.
    async fn side_by_side(&self, job: &Job) -> Result<Verified> {
        let mode = match job.layer.parent {
            None => Mode::Base,
            Some(_) => Mode::Overlay(OverlayXattrs::Trusted),
        };
        let ready = self.follow(job).await?;
        let permit = self.permit().await?;
        let (staged, root) = self
            .run(|inner| {
                let staged = inner.places.stage()?;
                let tree = make_tree(staged.path())?;
                Ok((staged, open_dir(rustix::fs::CWD, &tree)?))
            })
            .await?;
        let extraction = self.extraction(job, mode);
        let (applied, staged) = extract(ready, extraction, root, staged, permit).await?;
        check_diff_id(job, &applied)?;
        Ok(Verified { staged, applied, on: None })
    }

    /// Settles the directories that a layer only implies.
    async fn meet(&self, mut layer: Verified, below: Below) -> Result<(Settled, Verified)> {
        layer.on = below.top;
        if layer.applied.tree.needs_parent {
            return Ok((Settled::NeedsParent, layer));
        }
        self.run(move |inner| {
            let below = inner.detached(merged(&below.dirs))?;
            let staged = open_dir(rustix::fs::CWD, &layer.staged.path().join(TREE))?;
            let settled = settle(&staged, below.root(), &layer.applied.tree)?;
            Ok((settled, layer))
        })
        .await
    }

    /// Applies a layer through its parent, once that is published.
    async fn in_order(&self, job: &Job) -> Result<Verified> {
        let Below { top: on, dirs } = self.parent_published(job).await?;
        let ready = self.follow(job).await?;
        let permit = self.permit().await?;
        let (staged, root) = self.run(move |inner| inner.stage_on(&dirs)).await?;
        let handle = root.reopen()?;
        // The mount must outlive what is written through it.
        let held = (root, staged);
        let extraction = self.extraction(job, Mode::InPlace);
        let (applied, (root, staged)) = extract(ready, extraction, handle, held, permit).await?;
        check_diff_id(job, &applied)?;
        drop(root);
        Ok(Verified { staged, applied, on })
    }

    pub(super) async fn finish(&self, job: &Job, layer: Verified) -> Result<Unpacked> {
        let Verified { staged, applied, on } = layer;
        let whole = job.layer.parent.is_some() && !self.0.driver.stacks();
        let inner = Arc::clone(&self.0);
        let usage = applied.tree.usage;
        let (staged, usage) = blocking(move || {
            inner.driver.committed(staged.path())?;
            let walked = whole.then(|| inner.driver.usage(staged.path())).transpose()?;
            let estimate = Usage { size: usage.bytes, inodes: usage.inodes };
            Ok((staged, walked.unwrap_or(estimate)))
        })
        .await?;
        let notices = applied.tree.notices.iter().map(ToString::to_string).collect();
        self.publish(job, staged, on, usage, notices).await
    }

    async fn follow(&self, job: &Job) -> Result<super::extract::Ready> {
        let content = &self.0.neighbours.content;
        ready(content.follow(&job.scope, &job.layer.blob.digest).await?).await
    }

    pub(crate) async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        let permits = Arc::clone(&self.0.extractions);
        permits.acquire_owned().await.map_err(|_| Error::unavailable("the snapshotter is closed"))
    }

    pub(crate) fn extraction(&self, job: &Job, mode: Mode) -> Extraction {
        Extraction {
            compression: job.compression,
            mode,
            limits: self.0.config.limits.clone(),
            progress: job.progress.clone(),
        }
    }

    /// What is below the layer, once its parent is published in this namespace.
    ///
    /// # Errors
    /// FailedPrecondition where nobody unpacks the parent for longer than the configured patience.
    pub(crate) async fn parent_published(&self, job: &Job) -> Result<Below> {
        let Some(parent) = job.layer.parent else { return Ok(Below::default()) };
        let (namespace, key) = (job.scope.namespace.clone(), parent.to_string());
        let mut deadline = Instant::now() + self.0.config.parent_patience;
        loop {
            let mut landed = std::pin::pin!(self.0.flights.landed());
            landed.as_mut().enable();
            let (ns, k) = (namespace.clone(), key.clone());
            let found = self.run(move |inner| match inner.db.find(&ns, &k)? {
                Some(_) => inner.below(&ns, Some(&k)).map(Some),
                None => Ok(None),
            });
            if let Some(below) = found.await? {
                return Ok(below);
            }
            if self.0.flights.has(parent) {
                landed.await;
                deadline = Instant::now() + self.0.config.parent_patience;
            } else if timeout_at(deadline, landed).await.is_err() && !self.0.flights.has(parent) {
                return Err(Error::precondition(format!(
                    "its parent {parent} is not unpacked, and nobody unpacks it; unpack that first"
                )));
            }
        }
    }
}

impl<D: Driver> Inner<D> {
    /// A staged directory that shows the tree of `parents`, open to be written.
    fn stage_on(&self, parents: &[PathBuf]) -> Result<(Staged, Detached)> {
        let staged = self.places.stage()?;
        self.driver.create(staged.path(), Kind::Active, parents)?;
        let mounts = self.driver.mounts(staged.path(), Kind::Active, parents);
        let root = self.detached(mounts)?;
        Ok((staged, root))
    }
}

/// The uncompressed digest must be the config's.
fn check_diff_id(job: &Job, applied: &Applied) -> Result<()> {
    let (want, got) = (job.layer.diff_id, applied.diff_id());
    if want == got {
        return Ok(());
    }
    Err(Error::precondition(format!(
        "the image's config says that it inflates to {want}, and it inflates to {got}"
    )))
}
