//! A pull, from a name to a recorded image (docs/one-image.md): this page is its story, and each step
//! is a module.
//!
//! What is here already is neither asked for nor unpacked again; then not even a lease is made. A
//! pull that fails leaves its lease, which ends by itself, so that the next one finds what came.

pub mod abandoned;
mod here;
mod job;
mod layers;
pub mod lease;
mod plan;
mod platforms;
mod record;
mod remote;
mod report;
mod source;
mod space;
mod track;

use std::sync::Arc;

use varve_core::remotes::Remote;
use varve_core::{Descriptor, Error, Kind, Platform, Result, Scope};

use crate::failure::about;
use crate::image::{Documents, Image, Source};
use crate::progress::{self, Line, Progress};
use crate::services::{Services, Snapshotter};
use job::Job;

pub use lease::Lease;
pub use plan::{Plan, plan};
pub use platforms::{Wanted, wanted};
pub use remote::Logins;
pub use report::{Pulled, status};
pub use source::{Archive, Origin};

/// What is to be pulled.
pub struct Wish {
    pub remote: Remote,
    /// As it was asked for; the host's where it was not.
    pub platform: Option<Platform>,
    /// One of several platforms of a name: its lines say which.
    pub one_of_several: bool,
    /// Where it is unpacked, if it is.
    pub snapshotter: Option<Snapshotter>,
}

/// What the name points to now.
pub async fn resolve(services: &Services, remote: &Remote) -> Result<Descriptor> {
    services.resolver.resolve(remote).await.map_err(about(|| remote.reference.to_string()))
}

/// Pulls what the name was found to point to, telling `progress` of each step.
pub async fn pull(
    services: &Services,
    scope: &Scope,
    wish: &Wish,
    target: Descriptor,
    progress: Arc<dyn Progress>,
) -> Result<Pulled> {
    let name = wish.remote.reference.to_string();
    progress.say(&report::header(wish));
    if let Some(image) = here::find(services, scope, wish, &target).await? {
        check_wish(wish, &image)?;
        lease::end_those_of_the_dead(&*services.leases, scope, &name).await?;
        return Ok(Pulled::nothing(wish, target, image));
    }
    let lease = Lease::take(services, scope, &name).await?;
    let pulled = bring(services, &lease.scope(scope), wish, target, progress).await;
    match &pulled {
        // What came is of use to the next try.
        Err(error) if may_succeed_later(error.kind()) => drop(lease),
        _ => lease.release().await?,
    }
    if pulled.is_ok() {
        lease::end_those_of_the_dead(&*services.leases, scope, &name).await?;
    }
    pulled.map_err(about(|| name.clone()))
}

fn may_succeed_later(kind: Kind) -> bool {
    use Kind::*;
    matches!(kind, Unavailable | DeadlineExceeded | Aborted | ResourceExhausted | Cancelled)
}

/// All that happens under the lease.
async fn bring(
    services: &Services,
    scope: &Scope,
    wish: &Wish,
    target: Descriptor,
    progress: Arc<dyn Progress>,
) -> Result<Pulled> {
    let documents = Documents { services, scope, source: Source::Brought(&wish.remote) };
    let image = documents.load(&target, &wish.wanted()).await?;
    check_wish(wish, &image)?;
    let job = Arc::new(Job::new(services, scope, wish, progress.clone()));
    let todo = layers::survey(&job, &image).await?;
    space::check(services, &job, &todo).await?;
    begin(&image, &*progress);
    let brought = layers::bring(&job, todo).await;
    progress.end();
    let brought = brought?;
    let before = record::record(services, scope, wish, &target, &image, &brought).await?;
    Ok(Pulled::new(wish, target, image, brought, before))
}

fn begin(image: &Image, progress: &dyn Progress) {
    let line = |blob: &Descriptor| Line { id: blob.digest.short(), size: blob.size };
    progress.begin(&image.document.layers.iter().map(line).collect::<Vec<_>>());
}

impl Wish {
    /// The platform to choose by.
    fn wanted(&self) -> Platform {
        self.platform.clone().unwrap_or_else(Platform::host)
    }
}

/// A single manifest chooses itself: that it is for another machine is an error where one was asked
/// for, and worth a word where none was.
fn check_wish(wish: &Wish, image: &Image) -> Result<()> {
    let (wanted, actual) = (wish.wanted(), image.platform());
    let silent = actual.os.is_empty() && actual.architecture.is_empty();
    if silent || wanted.rank(&actual).is_some() {
        return Ok(());
    }
    let name = wish.remote.reference.familiar();
    if wish.platform.is_some() {
        return Err(Error::not_found(format!(
            "image with reference {name} was found but its platform ({actual}) does not match the \
             specified platform ({wanted})"
        )));
    }
    progress::warn(&format!(
        "WARNING: the platform of {name} ({actual}) does not match this machine ({wanted})"
    ));
    Ok(())
}
