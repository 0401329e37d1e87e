//! Removing a container: what is left of its runs, its snapshot, its state, its record, in an order in which a
//! crash leaves a container that can be removed again.

use std::fs::File;

use varve_core::{Error, Result, ResultExt};

use super::find::{self, Found};
use super::monitor::ending;
use super::place::Base;
use super::runtime::Runtime;
use super::stop;
use crate::process;
use crate::session::Session;

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
            let name = &found.settings.name;
            return Err(Error::precondition(format!(
                "container {name} is running; stop it first, or remove it with --force"
            )));
        }
        stop::kill(found)?;
    }
    if !place.dir().exists() {
        return Ok(None);
    }
    match place.try_lock()? {
        Some(lock) => {
            let asked = found.settings.runtime.as_deref();
            if place.bundle().exists() {
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
    found.place.remove()?;
    services.containers.delete(&found.scope, &container.id).await.found()?;
    Ok(())
}

/// Removes what `run --rm` has left where it, or its monitor, was killed.
pub async fn sweep(session: &Session, base: &Base) -> Result<()> {
    for found in find::all(session, base).await? {
        let over = !found.status().is_running() && process::is_gone(&found.settings.creator);
        if !found.settings.auto_remove || !over {
            continue;
        }
        // Its monitor may be about to do just this.
        if let Err(error) = remove(session, &found, false).await {
            tracing::debug!("container {}: {}", found.container.id, error.chain());
        }
    }
    Ok(())
}
