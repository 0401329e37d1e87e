//! Making a container: snapshots on the image's tree, the upper one to be written to, and the record that keeps both.

use varve_core::containers::{Container, Runtime};
use varve_core::images::Image as Named;
use varve_core::leases::Resource;
use varve_core::snapshots::NewSnapshot;
use varve_core::{Error, Labels, Mount, Result, Scope};

use super::init;
use super::name;
use super::place::Base;
use super::settings::Settings;
use crate::image::Image;
use crate::pull::{Lease, abandoned};
use crate::services::{Services, Snapshotter};
use crate::session::Session;

/// Names of our own making that are tried before giving up.
const ATTEMPTS: u32 = 16;

/// What is to be made.
pub struct Plan<'a> {
    pub named: &'a Named,
    pub image: &'a Image,
    /// Where it is unpacked.
    pub snapshotter: &'a Snapshotter,
    /// An empty name stands for one of our own making.
    pub settings: Settings,
    pub labels: Labels,
}

/// Makes it, and answers its record and how its snapshot is mounted. Until the record is there a lease keeps the
/// snapshot and the image's content; after a failure, or a kill -9, nothing keeps them.
pub async fn create(
    session: &Session,
    base: &Base,
    plan: Plan<'_>,
) -> Result<(Container, Vec<Mount>)> {
    let (services, scope) = (&session.services, &session.scope);
    let work = format!("making a container of {}", plan.named.name);
    let lease = Lease::for_work(services, scope, &work).await?;
    let made = make(services, &lease.scope(scope), base, plan).await;
    lease.release().await?;
    abandoned::end_those_of_the_dead(services, scope).await?;
    made
}

async fn make(
    services: &Services,
    scope: &Scope,
    base: &Base,
    plan: Plan<'_>,
) -> Result<(Container, Vec<Mount>)> {
    let lease = scope.lease.clone().unwrap_or_default();
    let content = Resource::content(&plan.named.target.digest);
    services.leases.add_resource(scope, &lease, &content).await?;
    let id = name::new_id()?;
    let parent = plan.image.top().map(|top| top.to_string());
    let snapshots = &plan.snapshotter.snapshots;
    let init = init::make(plan.snapshotter, scope, &base.place(&id), parent).await?;
    let new = NewSnapshot { key: id.clone(), parent: Some(init), labels: Labels::new() };
    let mounts = snapshots.prepare(scope, new).await?;
    match record(services, scope, base, &id, plan).await {
        Ok(container) => Ok((container, mounts)),
        Err((error, snapshotter)) => {
            snapshotter.snapshots.remove(scope, &id).await?;
            init::remove(&snapshotter, scope, &id).await?;
            Err(error)
        }
    }
}

/// One name after the other: whoever gives one holds the lock from the look at all names to the record.
async fn record(
    services: &Services,
    scope: &Scope,
    base: &Base,
    id: &str,
    plan: Plan<'_>,
) -> Result<Container, (Error, Snapshotter)> {
    let snapshotter = plan.snapshotter.clone();
    let write = async {
        let base = base.clone();
        let lock = tokio::task::spawn_blocking(move || base.lock()).await;
        let _lock = lock.map_err(|error| Error::internal("a lock").with_source(error))??;
        let name = free_name(services, scope, &plan.settings.name).await?;
        let settings = Settings { name, ..plan.settings };
        let now = varve_core::time::now();
        let container = Container {
            id: id.to_owned(),
            labels: plan.labels,
            image: plan.named.name.clone(),
            runtime: Runtime { name: "varve".into(), options: None },
            spec: None,
            snapshotter: plan.snapshotter.name.clone(),
            snapshot_key: id.to_owned(),
            created_at: now,
            updated_at: now,
            extensions: settings.extensions()?,
        };
        services.containers.create(scope, &container).await
    };
    write.await.map_err(|error| (error, snapshotter))
}

/// The name that was asked for, if nobody has it; else one that nobody has.
async fn free_name(services: &Services, scope: &Scope, asked: &str) -> Result<String> {
    let all = services.containers.list(scope, &[]).await?;
    let owner = |name: &str| {
        let named = |one: &&Container| Settings::of(one).is_ok_and(|it| it.name == name);
        all.iter().find(named).map(|one| one.id.clone())
    };
    if !asked.is_empty() {
        return match owner(asked) {
            None => Ok(asked.to_owned()),
            Some(id) => Err(Error::already_exists(format!(
                "Conflict. The container name \"/{asked}\" is already in use by container \"{id}\". You have to \
                 remove (or rename) that container to be able to reuse that name."
            ))),
        };
    }
    for attempt in 0..ATTEMPTS {
        let name = name::new_name(attempt)?;
        if owner(&name).is_none() {
            return Ok(name);
        }
    }
    Err(Error::exhausted("every name that was tried is in use; give one with --name"))
}
