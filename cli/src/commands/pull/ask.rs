//! What is asked of a registry, asked again with one login more each time that one is missed.

use std::sync::Arc;

use varve_core::remotes::Remote;
use varve_core::{Descriptor, Platform, Reference, Result};

use crate::progress::{self, Progress};
use crate::pull::{self, Logins, Pulled, Wanted, Wish};
use crate::services::Snapshotter;
use crate::session::Session;

/// The repository's tags.
pub async fn tags(session: &Session, logins: &Logins, remote: &mut Remote) -> Result<Vec<String>> {
    loop {
        match session.services.resolver.tags(remote).await {
            Err(error) if logins.add(remote, &error).await? => {}
            tags => return tags,
        }
    }
}

/// What the name points to. It is asked for once, so that what follows is about one image.
pub async fn resolve(
    session: &Session,
    logins: &Logins,
    remote: &mut Remote,
) -> Result<Descriptor> {
    loop {
        match pull::resolve(&session.services, remote).await {
            Err(error) if logins.add(remote, &error).await? => {}
            target => return target,
        }
    }
}

/// Which of its platforms are pulled.
pub async fn platforms(
    session: &Session,
    logins: &Logins,
    remote: &mut Remote,
    target: &Descriptor,
    asked: &[Wanted],
) -> Result<Vec<Option<Platform>>> {
    loop {
        match pull::wanted(&session.services, &session.scope, remote, target, asked).await {
            Err(error) if logins.add(remote, &error).await? => {}
            platforms => return platforms,
        }
    }
}

/// Pulls a name for a command that does more with it: what is told goes to stderr.
pub async fn bring(
    session: &Session,
    reference: Reference,
    platform: Option<Platform>,
    plain_http: bool,
    snapshotter: Snapshotter,
) -> Result<()> {
    let logins = Logins::load().await?;
    let mut remote = logins.remote(reference, plain_http).await?;
    let target = resolve(session, &logins, &mut remote).await?;
    let snapshotter = Some(snapshotter);
    let mut wish = Wish { remote, platform, one_of_several: false, snapshotter };
    let pulled = one(session, &logins, &mut wish, &target, progress::aside()).await?;
    pulled.lines()[..2].iter().for_each(|line| progress::warn(line));
    Ok(())
}

/// Pulls what one name points to, with one login more each time that one is missed.
pub async fn one(
    session: &Session,
    logins: &Logins,
    wish: &mut Wish,
    target: &Descriptor,
    progress: Arc<dyn Progress>,
) -> Result<Pulled> {
    loop {
        let (services, scope) = (&session.services, &session.scope);
        match pull::pull(services, scope, wish, target.clone(), progress.clone()).await {
            Err(error) if logins.add(&mut wish.remote, &error).await? => {}
            pulled => {
                let pulled = pulled?;
                pulled.notices().iter().for_each(|notice| progress::warn(notice));
                return Ok(pulled);
            }
        }
    }
}
