//! Layers become snapshots: extracted while they arrive, side by side where the driver stacks them,
//! verified by both digests, and published on their parent.

mod extract;
mod feed;
mod flights;
mod place;
mod publish;
mod route;
mod settle;

use async_trait::async_trait;
use varve_core::oci::Compression;
use varve_core::unpack::{Layer, Progress, Unpacked, Unpacker};
use varve_core::{Error, Kind, Labels, Mask, Result, Scope, labels};

pub(crate) use extract::{Extraction, extract, extract_with, ready};
pub(crate) use flights::Flights;
pub(crate) use route::Verified;

use crate::drivers::Driver;
use crate::graph::Look;
use crate::service::Snapshotter;

/// How often a layer is staged anew when it is overtaken, before the caller is told.
const ATTEMPTS: usize = 5;

#[async_trait]
impl<D: Driver> Unpacker for Snapshotter<D> {
    async fn unpack(&self, scope: &Scope, layer: Layer, progress: Progress) -> Result<Unpacked> {
        let job = Job::new(scope, layer, progress)?;
        self.lease(scope, &job.key()).await?;
        let _flight = self.0.flights.enter(job.layer.chain_id(), job.layer.blob.digest).await;
        if let Some(unpacked) = self.reuse(&job).await? {
            job.progress.tell(job.layer.blob.size);
            return Ok(unpacked);
        }
        let unpacked = match self.unpack_anew(&job).await {
            // Made meanwhile from another blob of the same bytes.
            Err(error) if error.kind() == Kind::AlreadyExists => {
                self.reuse(&job).await?.ok_or(error)
            }
            unpacked => unpacked,
        };
        let unpacked = unpacked.map_err(|error| {
            let noun = format!("layer {}", job.layer.blob.digest);
            error.context(noun)
        })?;
        self.label(&job).await;
        Ok(unpacked)
    }
}

/// One request to unpack.
#[derive(Clone)]
pub(crate) struct Job {
    pub scope: Scope,
    pub layer: Layer,
    pub compression: Compression,
    pub progress: Progress,
}

impl Job {
    pub fn new(scope: &Scope, layer: Layer, progress: Progress) -> Result<Self> {
        let compression = compression(&layer.blob)?;
        Ok(Self { scope: scope.clone(), layer, compression, progress })
    }

    /// The snapshot that it becomes.
    pub fn key(&self) -> String {
        self.layer.chain_id().to_string()
    }

    pub fn parent(&self) -> Option<String> {
        self.layer.parent.map(|parent| parent.to_string())
    }
}

/// InvalidArgument where the blob is no layer.
pub(crate) fn compression(blob: &varve_core::Descriptor) -> Result<Compression> {
    blob.media_type.layer().ok_or_else(|| {
        Error::invalid(format!(
            "{} is no layer: its media type is {}",
            blob.digest, blob.media_type
        ))
    })
}

/// Does it until it was not overtaken: by an ingest that began anew, or a parent that was made anew.
async fn again<T, F: Future<Output = Result<T>>>(job: &Job, once: impl Fn() -> F) -> Result<T> {
    for attempt in 1.. {
        match once().await {
            Err(error) if extract::overtaken(&error) && attempt < ATTEMPTS => {
                tracing::debug!(layer = %job.layer.blob.digest, attempt, "staging anew");
            }
            done => return done,
        }
    }
    Err(Error::internal("the attempts to unpack ended"))
}

impl<D: Driver> Snapshotter<D> {
    async fn unpack_anew(&self, job: &Job) -> Result<Unpacked> {
        let once = || async {
            let laid = self.route(job).await?;
            self.finish(job, laid).await
        };
        again(job, once).await
    }

    /// Lays a layer down on its parent, staged.
    pub(crate) async fn lay_anew(&self, job: &Job) -> Result<Verified> {
        again(job, || self.route(job)).await
    }

    /// Records on the blob what its bytes were seen to inflate to.
    async fn label(&self, job: &Job) {
        let (content, digest) = (&self.0.neighbours.content, &job.layer.blob.digest);
        let name = labels::UNCOMPRESSED.to_owned();
        let changes = Labels::from([(name.clone(), job.layer.diff_id.to_string())]);
        let scope = Scope::of(job.scope.namespace.clone());
        let known = content.info(&scope, digest).await;
        if known.is_ok_and(|info| info.labels.get(&name) == changes.get(&name)) {
            return;
        }
        if let Err(error) = content.update(&scope, digest, &changes, &Mask::labels([&name])).await {
            tracing::warn!(error = %error.chain(), %digest, "labelling a layer");
        }
    }

    /// Uses what is published already: in this namespace, or, once its parent is here, in another.
    async fn reuse(&self, job: &Job) -> Result<Option<Unpacked>> {
        let reused = |usage| Unpacked {
            chain_id: job.layer.chain_id(),
            reused: true,
            usage,
            notices: Vec::new(),
        };
        if let Some(usage) = self.touch(job).await? {
            return Ok(Some(reused(usage)));
        }
        if self.0.db.published(job.layer.chain_id())?.is_none() {
            return Ok(None);
        }
        self.parent_published(job).await?;
        Ok(self.share(job).await?.map(reused))
    }
}
