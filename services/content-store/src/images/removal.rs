//! The removal of a name that asks first who uses the image.
//!
//! What a removal has to know is in this store, so that looking and removing are one transaction: containers are
//! its records, and `varve mount` leaves a lease on the image's target.

use varve_core::containers;
use varve_core::images::{Image, Removed, User, in_use};
use varve_core::{Namespace, Result};

use super::{dangling, keep, load, missing};
use crate::records::{Change, Noun, Sort, View, edges, noun, values};

/// [`varve_core::images::Images::remove`] inside a transaction.
pub fn remove(change: &mut Change<'_>, noun: &Noun, force: bool) -> Result<Removed> {
    let image = load(change, noun)?.ok_or_else(|| missing(noun))?;
    let users = match others(change, noun, &image)?[..] {
        [] => users(change, &noun.namespace, &image)?,
        _ => Vec::new(),
    };
    let is_dangling = dangling(&noun.namespace, &image.target) == *noun;
    if !users.is_empty() && (!force || is_dangling) {
        return Err(in_use(&image.name, &users));
    }
    noun.remove(change)?;
    if !users.is_empty() {
        keep(change, noun, &image)?;
    }
    let left = others(change, noun, &image)?;
    Ok(Removed { image, left })
}

/// The other names of the image's target.
fn others(view: &impl View, noun: &Noun, image: &Image) -> Result<Vec<String>> {
    let mut names = edges::owners(view, &noun.namespace, &image.target.digest, Sort::Image)?;
    names.retain(|name| *name != image.name);
    Ok(names)
}

fn users(view: &impl View, namespace: &Namespace, image: &Image) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for (id, stored) in noun::list(view, Sort::Container, namespace)? {
        let noun = Noun::new(Sort::Container, namespace, id);
        let container: values::Container = values::decode(&noun, &stored.value)?;
        let digest = &image.target.digest;
        if containers::is_of(&container.image, &stored.labels, &image.name, digest) {
            users.push(User::Container(noun.name));
        }
    }
    for id in edges::owners(view, namespace, &image.target.digest, Sort::Lease)? {
        let stored = Noun::new(Sort::Lease, namespace, id).load(view)?;
        users.extend(stored.and_then(|stored| User::of_lease(&stored.labels)));
    }
    Ok(users)
}
