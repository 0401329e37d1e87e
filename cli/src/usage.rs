//! What is dangling and what is used: one definition for `images ls`, `image rm`, `image prune` and `df`.
//!
//! A name is *dangling* when it only keeps an image that lost its last one. An image is *used* by each container
//! that was made of it, running or not, and by each `varve mount` of it. [`Images::remove`] asks the same again, in
//! the transaction that takes the last name away: what is told here is for choosing and for showing.
//!
//! [`Images::remove`]: varve_core::images::Images::remove

use std::collections::BTreeMap;

use varve_core::containers::Container;
use varve_core::images::{Image as Named, User};
use varve_core::labels::DANGLING;
use varve_core::leases::Resource;
use varve_core::{Digest, Result};

use crate::session::Session;

/// Whether the name only keeps an image that has no other.
pub fn is_dangling(name: &str) -> bool {
    name.starts_with(DANGLING)
}

/// The names of each image, by its target.
pub fn by_image(all: Vec<Named>) -> BTreeMap<Digest, Vec<Named>> {
    let mut images: BTreeMap<Digest, Vec<Named>> = BTreeMap::new();
    for named in all {
        images.entry(named.target.digest).or_default().push(named);
    }
    images
}

/// All that uses images of one namespace.
#[derive(Debug, Default)]
pub struct Users {
    containers: Vec<Container>,
    /// What is held, and by which mount.
    mounts: Vec<(Resource, User)>,
}

impl Users {
    pub async fn load(session: &Session) -> Result<Self> {
        let (services, scope) = (&session.services, &session.scope);
        let containers = services.containers.list(scope, &[]).await?;
        let mut mounts = Vec::new();
        for lease in services.leases.list(scope, &[]).await? {
            let Some(user) = User::of_lease(&lease.labels) else { continue };
            let held = services.leases.list_resources(scope, &lease.id).await?;
            mounts.extend(held.into_iter().map(|resource| (resource, user.clone())));
        }
        Ok(Self { containers, mounts })
    }

    /// Those of one name's image.
    pub fn of(&self, named: &Named) -> Vec<User> {
        let (name, digest) = (&named.name, &named.target.digest);
        let target = Resource::content(digest);
        let containers = self.containers.iter().filter(|it| it.is_of(name, digest));
        let mounts = self.mounts.iter().filter(|(held, _)| *held == target);
        containers
            .map(|container| User::Container(container.id.clone()))
            .chain(mounts.map(|(_, user)| user.clone()))
            .collect()
    }
    /// Whether a prune may take the image with these names: nothing uses it, and it has lost its last name or
    /// `all` are meant.
    pub fn spare(&self, names: &[Named], all: bool) -> bool {
        let unused = names.iter().all(|named| self.of(named).is_empty());
        unused && (all || names.iter().all(|named| is_dangling(&named.name)))
    }
}
