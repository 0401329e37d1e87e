//! Removing a container: what is left of its runs, its snapshot, its state, its record, in an order in which a
//! crash leaves a container that can be removed again.

use std::fs::File;
use std::time::Duration;

use varve_core::{Error, Result, ResultExt};

use super::find::{self, Found};
use super::init;
use super::monitor::ending;
use super::place::Base;
use super::runtime::Runtime;
use super::stop;
use crate::process;
use crate::session::Session;

/// How long a monitor that is about to end may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Removes one that does not run; with `force` one that does is killed first.
pub async fn remove(session: &Session, found: &Found, force: bool) -> Result<()> {
    let one = found.clone();
    let lock = tokio::task::spawn_blocking(move || claim(&one, force)).await;
    let lock = lock.map_err(|error| Error::internal("removing").with_source(error))??;
    discard(session, found).await?;
    drop(lock);
    Ok(())
}

/// The container's lock, once nothing of it runs; `None` where it never ran, or has gone already. Blocks.
fn claim(found: &Found, force: bool) -> Result<Option<File>> {
    let place = &found.place;
    if found.status().is_running() {
        if !force {
            return Err(Error::precondition(format!(
                "You cannot remove a running container {}. Stop the container before attempting removal or force \
                 remove",
                found.container.id
            )));
        }
        stop::kill(found)?;
    }
    if !place.dir().exists() {
        return Ok(None);
    }
    match place.lock_within(PATIENCE)? {
        Some(lock) => {
            if place.bundle().exists() {
                let asked = found.settings.runtime.as_deref();
                ending::clear(place, &Runtime::find(asked, place.base())?)?;
            }
            Ok(Some(lock))
        }
        None => Err(Error::precondition(format!(
            "container {} is being started or cleared up; try again",
            found.settings.name
        ))),
    }
}

/// Removes what the store has of it, and its state. Nothing of it runs, and the caller has its lock. What is gone
/// already is no error.
pub async fn discard(session: &Session, found: &Found) -> Result<()> {
    let (services, container) = (&session.services, &found.container);
    let snapshotter = services.snapshotter(Some(&container.snapshotter)).await?;
    snapshotter.snapshots.remove(&found.scope, &container.snapshot_key).await.found()?;
    init::remove(&snapshotter, &found.scope, &container.id).await?;
    found.place.remove()?;
    services.containers.delete(&found.scope, &container.id).await.found()?;
    Ok(())
}

/// Takes away what a monitor that was killed has left of programs that have ended, and removes what `run --rm` has
/// left where it, or its monitor, was killed.
pub async fn sweep(session: &Session, base: &Base) -> Result<()> {
    for found in find::all(session, base).await? {
        if found.status().is_running() {
            continue;
        }
        let over = found.settings.auto_remove && process::is_gone(&found.settings.creator);
        let done = match over {
            true => remove(session, &found, false).await,
            false => clear(&found).await,
        };
        // A monitor may be about to do just this.
        if let Err(error) = done {
            tracing::debug!("container {}: {}", found.container.id, error.chain());
        }
    }
    Ok(())
}

async fn clear(found: &Found) -> Result<()> {
    let found = found.clone();
    let done = tokio::task::spawn_blocking(move || stop::clear(&found)).await;
    done.map_err(|error| Error::internal("clearing up").with_source(error)).flatten()
}
