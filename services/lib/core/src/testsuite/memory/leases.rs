//! Records of leases.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::content::pick;
use super::state::Held;
use super::store::Store;
use crate::error::{Error, Result};
use crate::labels::{self, GC_EXPIRE, Labels};
use crate::leases::{Lease, Leases, Resource};
use crate::scope::{self, Scope};
use crate::time;

#[async_trait]
impl Leases for Store {
    async fn create(&self, scope: &Scope, id: &str, labels: &Labels) -> Result<Lease> {
        let mut state = self.lock();
        state.births += 1;
        let id = if id.is_empty() { format!("lease-{}", state.births) } else { id.to_owned() };
        scope::check_name("lease", &id)?;
        labels::check(labels)?;
        if state.lease(scope, &id).is_ok() {
            return Err(Error::already_exists(format!("lease {id}")));
        }
        let lease = Lease { id: id.clone(), created_at: time::now(), labels: labels.clone() };
        let held = Held { lease: lease.clone(), resources: BTreeSet::new() };
        state.room(scope).leases.insert(id, held);
        Ok(lease)
    }

    async fn renew(&self, scope: &Scope, id: &str, from_now: Duration) -> Result<Lease> {
        let end = time::now().checked_add(from_now);
        let end = end.map_err(|_| Error::invalid(format!("lease {id} cannot last so long")))?;
        let mut state = self.lock();
        let lease = &mut state.lease(scope, id)?.lease;
        lease.labels.insert(GC_EXPIRE.to_owned(), end.to_string());
        Ok(lease.clone())
    }

    async fn delete(&self, scope: &Scope, id: &str) -> Result<()> {
        let mut state = self.lock();
        state.lease(scope, id)?;
        state.room(scope).leases.remove(id);
        Ok(())
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Lease>> {
        let state = self.lock();
        let held = state.look(scope).into_iter().flat_map(|room| room.leases.values());
        pick(held.map(|held| &held.lease), filters)
    }

    async fn add_resource(&self, scope: &Scope, id: &str, resource: &Resource) -> Result<()> {
        check(resource)?;
        self.lock().lease(scope, id)?.resources.insert(resource.clone());
        Ok(())
    }

    async fn delete_resource(&self, scope: &Scope, id: &str, resource: &Resource) -> Result<()> {
        self.lock().lease(scope, id)?.resources.remove(resource);
        Ok(())
    }

    async fn list_resources(&self, scope: &Scope, id: &str) -> Result<Vec<Resource>> {
        Ok(self.lock().lease(scope, id)?.resources.iter().cloned().collect())
    }
}

/// Refuses what no lease can hold.
fn check(resource: &Resource) -> Result<()> {
    let named = match resource.kind.as_str() {
        "content" => return resource.id.parse::<crate::Digest>().map(drop),
        "ingests" => true,
        kind => kind.strip_prefix("snapshots/").is_some_and(|name| !name.is_empty()),
    };
    match named && !resource.id.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(format!("a lease cannot hold {resource:?}"))),
    }
}
