//! The layers of a pull, all at once: each is unpacked while it is downloaded.
//!
//! They are started from the bottom up, as a layer may have to wait for the one below, and it must be
//! under way then. Downloads are limited; what is here already needs no place among them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use varve_core::remotes::Fetched;
use varve_core::unpack::{Layer, Unpacked};
use varve_core::{Error, Kind, Result};

use super::here;
use super::job::Job;
use super::track::Track;
use crate::failure::about;
use crate::image::Image;
use crate::progress::Phase;

/// Layers that are downloaded at the same time; Docker takes three.
const DOWNLOADS: usize = 4;

/// A layer, and what of it is here.
#[derive(Clone, Debug)]
pub struct Todo {
    pub layer: Layer,
    pub has_blob: bool,
    /// Or is not to be unpacked.
    pub has_tree: bool,
}

/// What became of a layer.
#[derive(Clone, Debug)]
pub struct Brought {
    pub layer: Layer,
    pub fetched: Fetched,
    pub unpacked: Option<Unpacked>,
}

/// Looks at what is here.
pub async fn survey(job: &Job, image: &Image) -> Result<Vec<Todo>> {
    let mut todo = Vec::with_capacity(image.layers.len());
    for layer in &image.layers {
        let has_blob = here::has_blob(&*job.content, &job.scope, &layer.blob.digest).await?;
        let has_tree = here::has_tree(job.snapshotter.as_ref(), &job.scope, layer).await?;
        todo.push(Todo { layer: layer.clone(), has_blob, has_tree });
    }
    Ok(todo)
}

/// Brings and unpacks every layer; the first failure stops the others.
pub async fn bring(job: &Arc<Job>, todo: Vec<Todo>) -> Result<Vec<Brought>> {
    let mut tasks = JoinSet::new();
    let brought = run(job, todo, &mut tasks).await;
    // Whoever still works must have let go of the store before the caller goes on.
    tasks.shutdown().await;
    brought
}

type Numbered = Result<(usize, Brought)>;

async fn run(
    job: &Arc<Job>,
    todo: Vec<Todo>,
    tasks: &mut JoinSet<Numbered>,
) -> Result<Vec<Brought>> {
    announce(job, &todo);
    let places = Arc::new(Semaphore::new(DOWNLOADS));
    let mut brought = Vec::with_capacity(todo.len());
    for (number, todo) in todo.into_iter().enumerate() {
        let place = place(&places, &todo).await;
        while let Some(done) = tasks.try_join_next() {
            brought.push(settle(done)?);
        }
        let job = job.clone();
        tasks.spawn(async move { Ok((number, one(&job, number, todo, place).await?)) });
    }
    while let Some(done) = tasks.join_next().await {
        brought.push(settle(done)?);
    }
    brought.sort_by_key(|(number, _)| *number);
    Ok(brought.into_iter().map(|(_, brought)| brought).collect())
}

fn announce(job: &Job, todo: &[Todo]) {
    let mut ahead = 0;
    for (number, todo) in todo.iter().enumerate() {
        if todo.has_blob && todo.has_tree {
            job.progress.layer(number, Phase::Exists);
            continue;
        }
        job.progress.layer(number, Phase::Queued);
        ahead += usize::from(!todo.has_blob);
        if !todo.has_blob && ahead > DOWNLOADS {
            job.progress.layer(number, Phase::Waiting);
        }
    }
}

/// A place among the downloads, where one is needed.
async fn place(places: &Arc<Semaphore>, todo: &Todo) -> Option<OwnedSemaphorePermit> {
    if todo.has_blob {
        return None;
    }
    Some(places.clone().acquire_owned().await.expect("nobody closes the semaphore"))
}

fn settle(done: Result<Numbered, JoinError>) -> Numbered {
    done.map_err(|error| Error::internal("the task of a layer").with_source(error))?
}

async fn one(
    job: &Arc<Job>,
    number: usize,
    todo: Todo,
    place: Option<OwnedSemaphorePermit>,
) -> Result<Brought> {
    let noun = || format!("layer {}", todo.layer.blob.digest);
    let track = Track::new(job.progress.clone(), number, &todo);
    let fetch = fetch(job, &todo, &track, place);
    let (fetched, unpacked) = match &job.snapshotter {
        None => (fetch.await.map_err(about(noun))?, None),
        Some(snapshotter) => {
            let (unpacker, layer) = (&snapshotter.unpacker, todo.layer.clone());
            let unpack = unpacker.unpack(&job.scope, layer, track.unpacking());
            let (fetched, unpacked) = both(fetch, unpack).await.map_err(about(noun))?;
            (fetched, Some(unpacked))
        }
    };
    track.complete();
    Ok(Brought { layer: todo.layer, fetched, unpacked })
}

/// Runs both. Where the bytes stopped coming, the fetch is asked why: the unpacker only knows that
/// they did.
async fn both(
    fetch: impl Future<Output = Result<Fetched>>,
    unpack: impl Future<Output = Result<Unpacked>>,
) -> Result<(Fetched, Unpacked)> {
    tokio::pin!(fetch, unpack);
    tokio::select! {
        fetched = &mut fetch => Ok((fetched?, unpack.await?)),
        unpacked = &mut unpack => match unpacked {
            Ok(unpacked) => Ok((fetch.await?, unpacked)),
            Err(error) if is_about_bytes(error.kind()) => {
                fetch.await?;
                Err(error)
            }
            Err(error) => Err(error),
        },
    }
}

fn is_about_bytes(kind: Kind) -> bool {
    use Kind::*;
    matches!(kind, Aborted | Unavailable | NotFound | DataLoss | DeadlineExceeded)
}

async fn fetch(
    job: &Job,
    todo: &Todo,
    track: &Track,
    place: Option<OwnedSemaphorePermit>,
) -> Result<Fetched> {
    let (remote, blob) = (&job.remote, &todo.layer.blob);
    let fetched = job.fetcher.fetch(&job.scope, remote, blob, track.fetching()).await?;
    drop(place);
    track.downloaded();
    Ok(fetched)
}
