//! The lease of a pull: until the image is recorded, nothing that came can be collected.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use varve_core::leases::Leases;
use varve_core::{Error, Labels, Result, ResultExt, Scope, labels};

use crate::process;
use crate::services::Services;

/// How long it lasts, and how often it is renewed.
const LASTS: Duration = Duration::from_secs(600);
const RENEWED: Duration = Duration::from_secs(60);
/// What is pulled under a lease, and by which process.
const REFERENCE: &str = "varve.pull.reference";
const PROCESS: &str = "varve.pull.process";

/// A lease that is renewed while this lives. Dropped and not released, it stays until its time is
/// up: the next pull of the same name finds what came, and takes it away.
pub struct Lease {
    leases: Arc<dyn Leases>,
    scope: Scope,
    id: String,
    name: String,
    renewal: JoinHandle<()>,
}

impl Lease {
    /// A lease for the pull of `name`.
    pub async fn take(services: &Services, scope: &Scope, name: &str) -> Result<Self> {
        let leases = services.leases.clone();
        let labels = Labels::from([
            (labels::GC_EXPIRE.to_owned(), end()?),
            (REFERENCE.to_owned(), name.to_owned()),
            (PROCESS.to_owned(), process::identity()?),
        ]);
        let id = leases.create(scope, "", &labels).await?.id;
        let renewal = tokio::spawn(renew(leases.clone(), scope.clone(), id.clone()));
        Ok(Self { leases, scope: scope.clone(), id, name: name.to_owned(), renewal })
    }

    /// `scope` under this lease.
    pub fn scope(&self, scope: &Scope) -> Scope {
        scope.leased(self.id.clone())
    }

    /// Ends it, and those of pulls of the same name that died.
    pub async fn release(self) -> Result<()> {
        self.renewal.abort();
        self.leases.delete(&self.scope, &self.id).await.found()?;
        for lease in self.leases.list(&self.scope, &[]).await? {
            let of_this_name = lease.labels.get(REFERENCE) == Some(&self.name);
            let dead = lease.labels.get(PROCESS).is_some_and(|owner| process::is_gone(owner));
            if of_this_name && dead {
                self.leases.delete(&self.scope, &lease.id).await.found()?;
            }
        }
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

fn end() -> Result<String> {
    let end = varve_core::time::now().checked_add(LASTS);
    let failed = |error| Error::internal("the clock is at the end of time").with_source(error);
    Ok(end.map_err(failed)?.to_string())
}

async fn renew(leases: Arc<dyn Leases>, scope: Scope, id: String) {
    loop {
        tokio::time::sleep(RENEWED).await;
        if let Err(error) = leases.renew(&scope, &id, LASTS).await {
            tracing::warn!(lease = id, "not renewed: {}", error.chain());
        }
    }
}
