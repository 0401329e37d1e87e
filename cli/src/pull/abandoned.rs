//! Leases of work that nobody goes on with, unlike a pull: a load, a push, a commit. They end with their process, and
//! what has come under them so far is garbage then.

use std::time::Duration;

use varve_core::{Kind, Result, ResultExt, Scope};

use super::lease::{PROCESS, WORK};
use crate::process;
use crate::services::Services;

/// Whoever wrote to an ingest a moment ago may hold it still: how often it is tried again, and when.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Ends those whose process died.
pub async fn end_those_of_the_dead(services: &Services, scope: &Scope) -> Result<()> {
    end(services, scope, 1, process::is_gone).await
}

/// Ends those of this process, which stops before its work is done.
pub async fn end_own(services: &Services, scope: &Scope) -> Result<()> {
    let own = process::identity()?;
    end(services, scope, TRIES, |owner| owner == own).await
}

async fn end(
    services: &Services,
    scope: &Scope,
    tries: u32,
    meant: impl Fn(&str) -> bool,
) -> Result<()> {
    for lease in services.leases.list(scope, &[]).await? {
        let owner = lease.labels.get(PROCESS).filter(|_| lease.labels.contains_key(WORK));
        if !owner.is_some_and(|owner| meant(owner)) {
            continue;
        }
        // Kept where it is too early: the next command that looks finds it.
        if drop_ingests(services, scope, &lease.id, tries).await? {
            services.leases.delete(scope, &lease.id).await.found()?;
        }
    }
    Ok(())
}

/// Gives up what was being written under a lease: those that are called after it, so that nobody else writes on.
/// Not those that it says it holds: what it said last may have died with its process. `false` where somebody still
/// writes.
async fn drop_ingests(services: &Services, scope: &Scope, lease: &str, tries: u32) -> Result<bool> {
    let all = services.content.list_statuses(scope, &[]).await?;
    for ingest in all.iter().filter(|status| status.ingest.contains(lease)) {
        if !drop_ingest(services, scope, &ingest.ingest, tries).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn drop_ingest(services: &Services, scope: &Scope, id: &str, tries: u32) -> Result<bool> {
    for left in (0..tries).rev() {
        match services.content.abort(scope, id).await.found() {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() != Kind::Unavailable => return Err(error),
            Err(_) if left == 0 => break,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    Ok(false)
}
