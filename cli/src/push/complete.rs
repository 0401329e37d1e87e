//! Bringing what of an index is not here, from where the rest came: documents first, as they name the
//! blobs.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use varve_core::remotes::{Fetcher, Progress, Remote};
use varve_core::{Descriptor, Error, Reference, Result, Scope};

use super::sources;
use super::tree::{Looker, Tree};
use crate::pull::Logins;
use crate::services::Services;

/// Blobs that are downloaded at the same time.
const DOWNLOADS: usize = 4;

/// Brings all of `target`'s, under the lease of `scope`, and answers what is here then.
///
/// # Errors
/// FailedPrecondition where nobody knows where it came from.
pub async fn complete(
    services: &Services,
    scope: &Scope,
    logins: &Logins,
    target: &Descriptor,
    plain_http: bool,
) -> Result<Tree> {
    let looker = Looker { services, scope };
    let mut tree = looker.look(target).await?;
    let mut remote = None;
    // Each round knows of what the documents of the last one name.
    while !tree.is_whole() {
        let remote = match &mut remote {
            Some(remote) => remote,
            none => none.insert(source(services, scope, logins, target, plain_http).await?),
        };
        let missing: Vec<Descriptor> = tree.missing().into_iter().cloned().collect();
        bring(services, scope, logins, remote, missing).await?;
        tree = looker.look(target).await?;
    }
    Ok(tree)
}

/// The repository that the index came from.
async fn source(
    services: &Services,
    scope: &Scope,
    logins: &Logins,
    target: &Descriptor,
    plain_http: bool,
) -> Result<Remote> {
    let labels = services.content.info(scope, &target.digest).await?.labels;
    let digest = target.digest;
    let from = sources::all(&labels).into_iter().next();
    let from = from.and_then(|from| format!("{from}@{digest}").parse::<Reference>().ok());
    let from = from.ok_or_else(|| {
        Error::precondition(format!(
            "index {digest}: not known where it came from; pull its other platforms, then push again"
        ))
    })?;
    logins.remote(from, plain_http).await
}

async fn bring(
    services: &Services,
    scope: &Scope,
    logins: &Logins,
    remote: &mut Remote,
    mut missing: Vec<Descriptor>,
) -> Result<()> {
    missing.sort_by_key(|blob| blob.digest);
    missing.dedup_by_key(|blob| blob.digest);
    loop {
        match all(&services.fetcher, scope, remote, &missing).await {
            Err(error) if logins.add(remote, &error).await? => {}
            done => return done,
        }
    }
}

/// Fetches all of them, some at the same time; the first failure stops the others.
async fn all(
    fetcher: &Arc<dyn Fetcher>,
    scope: &Scope,
    remote: &Remote,
    blobs: &[Descriptor],
) -> Result<()> {
    let places = Arc::new(Semaphore::new(DOWNLOADS));
    let mut tasks = JoinSet::new();
    for blob in blobs {
        let (fetcher, scope, remote) = (fetcher.clone(), scope.clone(), remote.clone());
        let (blob, places) = (blob.clone(), places.clone());
        tasks.spawn(async move {
            let _place = places.acquire().await;
            fetcher.fetch(&scope, &remote, &blob, Progress::ignored()).await
        });
    }
    let mut outcome = Ok(());
    while let Some(done) = tasks.join_next().await {
        let done = done.map_err(|error| Error::internal("a download").with_source(error));
        outcome = done.and_then(|fetched| fetched.map(drop));
        if outcome.is_err() {
            break;
        }
    }
    tasks.shutdown().await;
    outcome
}
