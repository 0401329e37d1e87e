//! A containerd's leases, whose end does not move.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use varve_core::labels::GC_EXPIRE;
use varve_core::leases::{self, Lease, Resource};
use varve_core::{Error, Labels, Result, Scope, time};

/// As long as those of containerd's own clients last.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Leases that end are made to last for a day, and are not renewed.
pub struct Leases(pub Arc<dyn leases::Leases>);

#[async_trait]
impl leases::Leases for Leases {
    async fn create(&self, scope: &Scope, id: &str, labels: &Labels) -> Result<Lease> {
        let mut labels = labels.clone();
        if let Some(end) = labels.get_mut(GC_EXPIRE) {
            let far = |error| Error::internal("the end of a lease").with_source(error);
            *end = time::now().checked_add(DAY).map_err(far)?.to_string();
        }
        self.0.create(scope, id, &labels).await
    }

    async fn renew(&self, scope: &Scope, id: &str, _: Duration) -> Result<Lease> {
        let all = self.0.list(scope, &[]).await?.into_iter();
        let gone = || Error::not_found(format!("lease {id}: not found"));
        all.into_iter().find(|lease| lease.id == id).ok_or_else(gone)
    }

    async fn delete(&self, scope: &Scope, id: &str) -> Result<()> {
        self.0.delete(scope, id).await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Lease>> {
        self.0.list(scope, filters).await
    }

    async fn add_resource(&self, scope: &Scope, id: &str, resource: &Resource) -> Result<()> {
        self.0.add_resource(scope, id, resource).await
    }

    async fn delete_resource(&self, scope: &Scope, id: &str, resource: &Resource) -> Result<()> {
        self.0.delete_resource(scope, id, resource).await
    }

    async fn list_resources(&self, scope: &Scope, id: &str) -> Result<Vec<Resource>> {
        self.0.list_resources(scope, id).await
    }
}
