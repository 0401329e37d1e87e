//! The blobs of a push, some at the same time: each is there already, is mounted from another repository,
//! or is uploaded as the store has it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use varve_core::{Descriptor, Digest, Error, Reference, Result, Scope};
use varve_registry::{Budget, Client, Mounted, Pusher, Session as Begun};

use super::sources;
use crate::progress::{Phase, Progress};
use crate::services::Services;

/// Blobs that are sent at the same time, as with Docker.
const UPLOADS: usize = 5;

/// What all blobs of a push share.
pub struct Job {
    pub services: Services,
    pub scope: Scope,
    pub client: Client,
    pub pusher: Pusher,
    pub to: Reference,
    pub progress: Arc<dyn Progress>,
    /// What earlier tags of the same push have shown to be there.
    pub there: Arc<Mutex<HashSet<Digest>>>,
}

/// What became of a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    Exists,
    /// From this repository.
    Mounted(String),
    Pushed,
}

/// Sees to it that every blob is there; answers what became of `layers`, which have a line each in the
/// progress. The first failure stops the others.
pub async fn push(
    job: &Arc<Job>,
    layers: &[Descriptor],
    others: &[Descriptor],
) -> Result<Vec<Fate>> {
    let mut tasks = JoinSet::new();
    let outcome = run(job, layers, others, &mut tasks).await;
    tasks.shutdown().await;
    outcome
}

async fn run(
    job: &Arc<Job>,
    layers: &[Descriptor],
    others: &[Descriptor],
    tasks: &mut JoinSet<Result<(Option<usize>, Fate)>>,
) -> Result<Vec<Fate>> {
    let places = Arc::new(Semaphore::new(UPLOADS));
    let numbered = layers.iter().enumerate().map(|(number, blob)| (Some(number), blob));
    for (number, blob) in numbered.chain(others.iter().map(|blob| (None, blob))) {
        let line = Line { progress: job.progress.clone(), number };
        line.show(Phase::Preparing);
        let (job, blob, places) = (job.clone(), blob.clone(), places.clone());
        tasks.spawn(async move {
            let _place = match places.try_acquire() {
                Ok(place) => Ok(place),
                Err(_) => {
                    line.show(Phase::Waiting);
                    places.acquire().await
                }
            };
            Ok((number, one(&job, &blob, &line).await?))
        });
    }
    let mut fates = vec![Fate::Exists; layers.len()];
    while let Some(done) = tasks.join_next().await {
        let done = done.map_err(|error| Error::internal("the task of a blob").with_source(error));
        if let (Some(number), fate) = done?? {
            fates[number] = fate;
        }
    }
    Ok(fates)
}

/// A blob's line in the progress, if it has one.
#[derive(Clone)]
struct Line {
    progress: Arc<dyn Progress>,
    number: Option<usize>,
}

impl Line {
    fn show(&self, phase: Phase) {
        if let Some(number) = self.number {
            self.progress.layer(number, phase);
        }
    }
}

async fn one(job: &Job, blob: &Descriptor, line: &Line) -> Result<Fate> {
    let mut budget = budget(job, line);
    let fate = match job.is_there(blob) || job.pusher.has(blob, &mut budget).await? {
        true => Fate::Exists,
        false => bring(job, blob, line, &mut budget).await?,
    };
    line.show(match &fate {
        Fate::Exists => Phase::LayerExists,
        Fate::Mounted(from) => Phase::Mounted(from.as_str().into()),
        Fate::Pushed => Phase::Pushed,
    });
    let (host, repository) = (job.to.domain(), job.to.path());
    let noted = sources::note(&job.services, &job.scope, &blob.digest, host, repository).await;
    if let Err(error) = noted {
        // It would only have spared a later push something.
        tracing::debug!("{} is not noted as pushed: {}", blob.digest, error.chain());
    }
    job.there().insert(blob.digest);
    Ok(fate)
}

async fn bring(job: &Job, blob: &Descriptor, line: &Line, budget: &mut Budget) -> Result<Fate> {
    let begun = match mount(job, blob, budget).await? {
        Ok(from) => return Ok(Fate::Mounted(from)),
        Err(begun) => begun,
    };
    let reader = job.services.content.reader(&job.scope, &blob.digest).await?;
    let shown = line.clone();
    let sent = Arc::new(move |at| shown.show(Phase::Pushing(at)));
    job.pusher.upload(blob, reader, begun, sent, budget).await?;
    Ok(Fate::Pushed)
}

/// The repository that it was mounted from; else the upload that has begun in asking, if one has.
async fn mount(
    job: &Job,
    blob: &Descriptor,
    budget: &mut Budget,
) -> Result<Result<String, Option<Begun>>> {
    let labels = job.services.content.info(&job.scope, &blob.digest).await?.labels;
    let mut last: Option<Begun> = None;
    for from in sources::to_mount(&labels, job.to.domain(), job.to.path()) {
        if let Some(begun) = last.take() {
            job.pusher.cancel(begun).await;
        }
        match job.pusher.mount(blob, &from, budget).await? {
            Mounted::Yes => return Ok(Ok(from)),
            Mounted::No(begun) => last = begun,
        }
    }
    Ok(Err(last))
}

fn budget(job: &Job, line: &Line) -> Budget {
    let line = line.clone();
    job.client.budget().on_retry(move |attempt| line.show(Phase::Retrying(attempt)))
}

impl Job {
    fn is_there(&self, blob: &Descriptor) -> bool {
        self.there().contains(&blob.digest)
    }

    fn there(&self) -> std::sync::MutexGuard<'_, HashSet<Digest>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
