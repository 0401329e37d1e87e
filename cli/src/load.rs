//! A load, from an archive or a directory to recorded images: this page is its story, and each step is a module.
//!
//! Everything comes under one lease and is verified as it is stored; names move last, when all that they will
//! point to is here and unpacked. A load that fails changes no name, and what it brought is collected.

mod bring;
mod compose;
mod layers;
mod name;
mod report;
mod tree;

use varve_core::{Error, Platform, Result, ResultExt};

use crate::archive::{self, Format, Input, Intake, Listed, Shelf};
use crate::pull::{Lease, abandoned};
use crate::services::Snapshotter;
use crate::session::Session;
use bring::Bring;

pub use report::Loaded;

/// What is to be loaded, and how.
pub struct Wish {
    pub input: Input,
    pub format: Format,
    /// All images, or one.
    pub pick: Pick,
    pub platforms: Platforms,
    /// Where it is unpacked, if it is.
    pub snapshotter: Option<Snapshotter>,
    /// Show nothing, not even on a terminal.
    pub silent: bool,
}

/// Which platforms of an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Platforms {
    /// All that are there.
    All,
    /// The best for this machine.
    Best,
    One(Platform),
}

/// Which images of an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pick {
    All,
    /// The only one that there is.
    Only,
    /// The one that is called so, by its whole name or by what a layout calls it.
    Called(String),
}

/// Loads, and answers what came of each image.
pub async fn load(session: &Session, wish: &Wish) -> Result<Vec<Loaded>> {
    let label = format!("loading {}", wish.input.noun());
    let loaded = under_lease(session, &label, async |intake| all(session, wish, intake).await);
    loaded.await.map_err(archive::faulty)
}

/// Does `work` with an intake whose lease ends with it. Where it fails, what came is collected: it is of no use to
/// anybody.
pub async fn under_lease<T>(
    session: &Session,
    label: &str,
    work: impl AsyncFnOnce(&Intake) -> Result<T>,
) -> Result<T> {
    let (services, scope) = (&session.services, &session.scope);
    abandoned::end_those_of_the_dead(services, scope).await?;
    let lease = Lease::for_work(services, scope, label).await?;
    let intake = Intake::new(
        services.content.clone(),
        lease.scope(scope),
        services.content_dir.clone(),
        services.bounds,
        services.limits.clone(),
    );
    let done = work(&intake).await;
    lease.release().await?;
    if done.is_err() {
        services.collector.collect(false).await?;
    }
    done
}

/// All that happens under the lease.
async fn all(session: &Session, wish: &Wish, intake: &Intake) -> Result<Vec<Loaded>> {
    let shelf = Shelf::open(&wish.input, intake).await?;
    let listed = archive::list(&shelf, wish.format, intake).await?;
    let listed = pick(listed, &wish.pick).context(|| shelf.noun.clone())?;
    let bring = Bring::new(session, wish, &shelf, intake);
    let mut named = Vec::with_capacity(listed.len());
    for listed in listed {
        let noun = || match listed.called() {
            Some(name) => format!("{}: {name}", shelf.noun),
            None => shelf.noun.clone(),
        };
        let brought = bring.image(&listed).await.context(noun)?;
        let names = name::names(session, wish, &brought, &listed).await.context(noun)?;
        named.push((brought, names));
    }
    let mut loaded = Vec::new();
    for (brought, names) in &named {
        for name in names {
            let recorded = name::record(session, intake.scope(), brought, name).await?;
            loaded.push(Loaded::new(wish, brought, name, recorded));
        }
    }
    Ok(loaded)
}

fn pick(listed: Vec<Listed>, pick: &Pick) -> Result<Vec<Listed>> {
    let called = |listed: &[Listed]| {
        let names =
            listed.iter().map(|it| it.called().unwrap_or_else(|| "one without a name".into()));
        names.collect::<Vec<_>>().join(", ")
    };
    match pick {
        Pick::All => Ok(listed),
        Pick::Only if listed.len() == 1 => Ok(listed),
        Pick::Only => Err(Error::invalid(format!(
            "there are several images in it; say which of them: {}",
            called(&listed)
        ))),
        Pick::Called(name) => match listed.iter().find(|it| it.is_called(name)) {
            Some(found) => Ok(vec![found.clone()]),
            None => {
                let there = called(&listed);
                Err(Error::not_found(format!("there is no image {name} in it; there is {there}")))
            }
        },
    }
}
