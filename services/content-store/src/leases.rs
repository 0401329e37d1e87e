//! The leases trait on the store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use varve_core::labels::{GC_EXPIRE, MOUNT_BOOT};
use varve_core::leases::{Lease, Leases, Resource};
use varve_core::scope::check_identifier;
use varve_core::{Error, Filter, Labels, Result, Scope, labels};

use crate::ContentStore;
use crate::records::{Change, Noun, Records, Sort, Stored, noun, values};

#[async_trait]
impl Leases for ContentStore {
    async fn create(&self, scope: &Scope, id: &str, labels: &Labels) -> Result<Lease> {
        labels::check(labels)?;
        let id = if id.is_empty() { new_id() } else { id.to_owned() };
        let (noun, labels) = (noun_of(scope, &id)?, labels.clone());
        self.store
            .records
            .write(move |change| {
                if change.has(&noun.key())? {
                    return Err(Error::already_exists(format!("lease {id} already exists")));
                }
                let created = varve_core::time::now();
                let value = values::encode(&values::Created { created })?;
                noun.save(change, &Stored { value, labels: labels.clone(), ..Stored::default() })?;
                Ok(Lease { id, created_at: created, labels })
            })
            .await
    }

    async fn renew(&self, scope: &Scope, id: &str, from_now: Duration) -> Result<Lease> {
        let noun = noun_of(scope, id)?;
        let too_far = |_| Error::invalid(format!("lease {id}: cannot end in {from_now:?}"));
        let end = varve_core::time::now().checked_add(from_now).map_err(too_far)?;
        self.store
            .records
            .write(move |change| {
                let mut stored = load(change, &noun)?;
                stored.labels.insert(GC_EXPIRE.into(), end.to_string());
                noun.save(change, &stored)?;
                lease(&noun, stored)
            })
            .await
    }

    async fn delete(&self, scope: &Scope, id: &str) -> Result<()> {
        let noun = noun_of(scope, id)?;
        let removed = self
            .store
            .records
            .write(move |change| noun.remove(change)?.map(drop).ok_or_else(|| missing(&noun)));
        removed.await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Lease>> {
        let filter = Filter::parse(filters)?;
        let namespace = scope.namespace.clone();
        self.store
            .records
            .read(move |db| {
                let all = noun::list(db, Sort::Lease, &namespace)?.into_iter();
                let all: Result<Vec<Lease>> = all
                    .map(|(id, stored)| lease(&Noun::new(Sort::Lease, &namespace, id), stored))
                    .collect();
                Ok(all?.into_iter().filter(|lease| filter.matches(lease)).collect())
            })
            .await
    }

    async fn add_resource(&self, scope: &Scope, id: &str, resource: &Resource) -> Result<()> {
        check(resource)?;
        let (noun, resource) = (noun_of(scope, id)?, resource.clone());
        let added = resource.clone();
        let write = self.store.records.write(move |change| {
            exists(change, &noun)?;
            noun.add_resource(change, &added)
        });
        write.await?;
        self.store.settled(&scope.namespace, &resource).await;
        Ok(())
    }

    async fn delete_resource(&self, scope: &Scope, id: &str, resource: &Resource) -> Result<()> {
        check(resource)?;
        let (noun, resource) = (noun_of(scope, id)?, resource.clone());
        self.store
            .records
            .write(move |change| {
                exists(change, &noun)?;
                noun.remove_resource(change, &resource)
            })
            .await
    }

    async fn list_resources(&self, scope: &Scope, id: &str) -> Result<Vec<Resource>> {
        let noun = noun_of(scope, id)?;
        let stored =
            self.store.records.read(move |db| noun.load(db)?.ok_or_else(|| missing(&noun)));
        Ok(stored.await?.resources)
    }
}

/// Drops the leases of mounts that another boot had. Blocks.
pub fn drop_stale_mounts(records: &Records, boot: &str) -> Result<()> {
    let mounted = |stored: &Stored| stored.labels.get(MOUNT_BOOT).is_some_and(|id| id != boot);
    let stale: Vec<Noun> = noun::list_all(records.db(), Sort::Lease)?
        .into_iter()
        .filter_map(|(noun, stored)| mounted(&stored).then_some(noun))
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    records.write_blocking(move |change| {
        stale.iter().try_for_each(|noun| noun.remove(change).map(drop))
    })
}

fn exists(change: &Change<'_>, noun: &Noun) -> Result<()> {
    if change.has(&noun.key())? { Ok(()) } else { Err(missing(noun)) }
}

fn load(change: &Change<'_>, noun: &Noun) -> Result<Stored> {
    noun.load(change)?.ok_or_else(|| missing(noun))
}

fn lease(noun: &Noun, stored: Stored) -> Result<Lease> {
    let value: values::Created = values::decode(noun, &stored.value)?;
    Ok(Lease { id: noun.name.clone(), created_at: value.created, labels: stored.labels })
}

fn missing(noun: &Noun) -> Error {
    Error::not_found(format!("lease {}: not found", noun.name))
}

fn noun_of(scope: &Scope, id: &str) -> Result<Noun> {
    noun::check_name("lease", id)?;
    Ok(Noun::new(Sort::Lease, &scope.namespace, id))
}

/// Refuses a resource of a kind that no lease can hold.
fn check(resource: &Resource) -> Result<()> {
    noun::check_name("resource", &resource.id)?;
    match resource.kind.as_str() {
        "content" => resource.id.parse::<varve_core::Digest>().map(drop),
        "ingests" => Ok(()),
        kind => match kind.strip_prefix("snapshots/") {
            Some(name) => check_identifier("snapshotter", name),
            None => Err(Error::invalid(format!(
                "resource kind {kind:?}: want content, ingests or snapshots/<snapshotter>"
            ))),
        },
    }
}

/// An id that no other process and no other call makes.
pub fn new_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = varve_core::time::now().as_nanosecond();
    let seed = format!("{now} {} {count}", std::process::id());
    format!("{now}-{}", varve_core::Digest::of(seed.as_bytes()).short())
}
