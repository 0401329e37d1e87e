//! The lease of a pull: until the image is recorded, nothing that came can be collected.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use varve_core::leases::{Leases, Resource};
use varve_core::{Digest, Error, Labels, Result, ResultExt, Scope, labels};

use crate::process;
use crate::services::Services;

/// How long it lasts, and how often it is renewed.
const LASTS: Duration = Duration::from_secs(600);
const RENEWED: Duration = Duration::from_secs(60);
/// What is pulled under a lease, or what else is done under it, and by which process.
const REFERENCE: &str = "varve.pull.reference";
pub(super) const WORK: &str = "varve.work";
pub(super) const PROCESS: &str = "varve.pull.process";
/// The most that a label says of work.
const LABEL: usize = 200;

/// A lease that is renewed while this lives. Dropped and not released, it stays until its time is
/// up: the next pull of the same name finds what came, and takes it away.
pub struct Lease {
    leases: Arc<dyn Leases>,
    scope: Scope,
    id: String,
    renewal: JoinHandle<()>,
}

impl Lease {
    /// A lease for the pull of `name`.
    pub async fn take(services: &Services, scope: &Scope, name: &str) -> Result<Self> {
        Self::of(services, scope, REFERENCE, name.to_owned()).await
    }

    /// A lease for work that nobody goes on with where it breaks off (`abandoned`), in words: `loading x.tar`.
    pub async fn for_work(services: &Services, scope: &Scope, work: &str) -> Result<Self> {
        // A path may be longer than a label.
        Self::of(services, scope, WORK, work.chars().take(LABEL).collect()).await
    }

    async fn of(services: &Services, scope: &Scope, key: &str, value: String) -> Result<Self> {
        let leases = services.leases.clone();
        let labels = Labels::from([
            (labels::GC_EXPIRE.to_owned(), end()?),
            (key.to_owned(), value),
            (PROCESS.to_owned(), process::identity()?),
        ]);
        let id = leases.create(scope, "", &labels).await?.id;
        let renewal = tokio::spawn(renew(leases.clone(), scope.clone(), id.clone()));
        Ok(Self { leases, scope: scope.clone(), id, renewal })
    }

    /// `scope` under this lease.
    pub fn scope(&self, scope: &Scope) -> Scope {
        scope.leased(self.id.clone())
    }

    /// Keeps `digest`, and all that it refers to, from now on.
    pub async fn hold(&self, digest: &Digest) -> Result<()> {
        self.leases.add_resource(&self.scope, &self.id, &Resource::content(digest)).await
    }

    /// Ends it.
    pub async fn release(self) -> Result<()> {
        self.renewal.abort();
        self.leases.delete(&self.scope, &self.id).await.found()?;
        Ok(())
    }
}

/// What is done under a lease of this page, in words.
pub fn work(labels: &Labels) -> Option<String> {
    let pull = labels.get(REFERENCE).map(|name| format!("pulling {name}"));
    pull.or_else(|| labels.get(WORK).cloned())
}

/// Ends the leases of pulls of `name` whose process died. Called once the image is recorded: until
/// then they keep what came. A pull that died between recording and releasing is one of them, so
/// one that finds everything here calls it, too.
pub async fn end_those_of_the_dead(leases: &dyn Leases, scope: &Scope, name: &str) -> Result<()> {
    for lease in leases.list(scope, &[]).await? {
        let of_this_name = lease.labels.get(REFERENCE).is_some_and(|of| of == name);
        let dead = lease.labels.get(PROCESS).is_some_and(|owner| process::is_gone(owner));
        if of_this_name && dead {
            leases.delete(scope, &lease.id).await.found()?;
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use varve_core::testsuite::memory::Store;

    use super::*;

    /// A pull that was killed between recording its image and releasing its lease.
    #[tokio::test]
    async fn leases_of_the_dead_end_and_those_of_others_stay() {
        let (leases, scope) = (Store::new(), Scope::default());
        let own = process::identity().unwrap();
        let of = |name: &str, process: &str| {
            Labels::from([(REFERENCE.into(), name.into()), (PROCESS.into(), process.into())])
        };
        leases.create(&scope, "dead", &of("a:1", &format!("{own}0"))).await.unwrap();
        leases.create(&scope, "alive", &of("a:1", &own)).await.unwrap();
        leases.create(&scope, "of-another", &of("b:1", &format!("{own}0"))).await.unwrap();
        leases.create(&scope, "by-hand", &Labels::new()).await.unwrap();
        end_those_of_the_dead(&leases, &scope, "a:1").await.unwrap();
        let left = leases.list(&scope, &[]).await.unwrap();
        let left: Vec<_> = left.iter().map(|lease| lease.id.as_str()).collect();
        assert_eq!(left, ["alive", "by-hand", "of-another"]);
    }
}
