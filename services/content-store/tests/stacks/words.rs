//! What the model's numbers are called in the store.

use varve_core::labels::{GC_EXPIRE, GC_FLAT, GC_REF_CONTENT, GC_REF_SNAPSHOT, GC_ROOT};
use varve_core::leases::Resource;
use varve_core::{Digest, Labels, Scope};

use super::model::{DRIVERS, End, Own, Thing};

pub fn scope(space: usize) -> Scope {
    Scope::of(["default", "other"][space].parse().unwrap())
}

pub fn named(kind: &str, id: u8) -> String {
    format!("{kind}-{id}")
}

pub fn bytes(blob: u8) -> Vec<u8> {
    vec![blob; 100 + usize::from(blob)]
}

pub fn digest(blob: u8) -> Digest {
    Digest::of(&bytes(blob))
}

pub fn resource(thing: Thing) -> Resource {
    match thing {
        Thing::Blob(blob) => Resource::content(&digest(blob)),
        Thing::Snap(driver, key) => Resource::snapshot(DRIVERS[driver], &named("snap", key)),
    }
}

pub fn labels(own: &Own) -> Labels {
    let edge = |(n, thing): (usize, &Thing)| match thing {
        Thing::Blob(blob) => (format!("{GC_REF_CONTENT}.l.{n}"), digest(*blob).to_string()),
        Thing::Snap(driver, key) => {
            (format!("{GC_REF_SNAPSHOT}{}/{n}", DRIVERS[*driver]), named("snap", *key))
        }
    };
    let root = own.root.then(|| (GC_ROOT.to_owned(), "now".to_owned()));
    own.to.iter().enumerate().map(edge).chain(root).collect()
}

pub fn terms(flat: bool, end: End) -> Labels {
    let end = match end {
        End::Never => None,
        End::Past => Some("2001-01-01T00:00:00Z"),
        End::Future => Some("2999-01-01T00:00:00Z"),
    };
    let flat = flat.then(|| (GC_FLAT.to_owned(), "1".to_owned()));
    let end = end.map(|end| (GC_EXPIRE.to_owned(), end.to_owned()));
    flat.into_iter().chain(end).collect()
}
