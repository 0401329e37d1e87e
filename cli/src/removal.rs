//! Taking names from images, and telling what went with them: the work of `image rm` and `image prune`.

use std::collections::HashSet;

use serde::Serialize;
use varve_core::images::{Image as Named, Removal};
use varve_core::{Digest, Reference, Result, ResultExt, labels};

use crate::find;
use crate::image::Image;
use crate::pull::abandoned;
use crate::reach::Place;
use crate::reclaim;
use crate::session::Session;
use crate::usage::is_dangling;

/// What was done, as Docker's API has it.
#[derive(Serialize, PartialEq, Eq, Debug)]
pub enum Done {
    Untagged(String),
    Deleted(String),
}

/// A name that is gone.
#[derive(Debug)]
pub struct Taken {
    untagged: Vec<String>,
    /// What it named.
    target: Digest,
    /// Each platform that was here, where it was the last name.
    gone: Vec<Gone>,
}

/// One platform of an image that has no name any more.
#[derive(Debug)]
pub struct Gone {
    id: String,
    /// Chain ids, top first.
    layers: Vec<String>,
}

/// What has gone from the store, or would go. Each is told once: images that go together may share it.
pub struct Went {
    blobs: HashSet<String>,
    layers: HashSet<String>,
}

/// Takes one name. Errors are those of [`varve_core::images::Images::remove`]; nothing is collected yet.
pub async fn take(session: &Session, named: &Named, force: bool) -> Result<Taken> {
    let images = find::platforms(session, named).await?;
    let from_registry = repo_digest(session, named).await?;
    let removal = Removal { name: named.name.clone(), force };
    let removed = session.services.images.remove(&session.scope, removal).await?;
    let untagged = untagged(named, from_registry, &removed.left);
    let gone = if removed.left.is_empty() { Gone::all(named, &images) } else { Vec::new() };
    Ok(Taken { untagged, target: named.target.digest, gone })
}

/// What taking a name takes: the name, and with the last one of its repository `repository@digest`.
pub fn untagged(named: &Named, from_registry: Option<String>, left: &[String]) -> Vec<String> {
    let name = (!is_dangling(&named.name)).then(|| familiar(&named.name));
    // What is named by its digest alone is told once.
    let digest = from_registry.filter(|digest| Some(digest) != name.as_ref());
    let digest = digest.filter(|_| !same_repository(named, left));
    name.into_iter().chain(digest).collect()
}

/// Collects once, what has lost its last name or all that nothing uses, and tells what has gone, and the bytes that
/// came free.
pub async fn finish(session: &Session, taken: Vec<Taken>, all: bool) -> Result<(Vec<Done>, u64)> {
    let (mut went, mut bytes) = (Went::of([]), 0);
    let nameless = taken.iter().filter(|taken| !taken.gone.is_empty());
    let nameless: Vec<Digest> = nameless.map(|taken| taken.target).collect();
    if !nameless.is_empty() {
        abandoned::end_those_of_the_dead(&session.services, &session.scope).await?;
        let collector = &session.services.collector;
        let collected = match all {
            true => collector.collect(false).await?,
            false => collector.collect_below(&session.scope, &nameless).await?,
        };
        went = Went::of(reclaim::places(session, &collected));
        bytes = collected.bytes;
    }
    let mut done = Vec::new();
    for taken in taken {
        done.extend(taken.untagged.into_iter().map(Done::Untagged));
        done.extend(went.told(taken.gone));
    }
    Ok((done, bytes))
}

impl Gone {
    /// All platforms of an image; of one that cannot be read its digest alone.
    pub fn all(named: &Named, images: &[Image]) -> Vec<Self> {
        if images.is_empty() {
            return vec![Self { id: named.target.digest.to_string(), layers: Vec::new() }];
        }
        images.iter().map(Self::of).collect()
    }

    fn of(image: &Image) -> Self {
        let layers = image.layers.iter().rev().map(|layer| layer.chain_id().to_string());
        Self { id: image.id().to_string(), layers: layers.collect() }
    }
}

impl Went {
    pub fn of(places: impl IntoIterator<Item = Place>) -> Self {
        let mut went = Self { blobs: HashSet::new(), layers: HashSet::new() };
        for place in places {
            match place {
                Place::Blob(digest) => went.blobs.insert(digest),
                Place::Snapshot(_, key) => went.layers.insert(key),
            };
        }
        went
    }

    /// The lines of an image that lost its last name: its ID; those of its other platforms that nothing else has;
    /// and below each the layers that go with it.
    pub fn told(&mut self, gone: Vec<Gone>) -> Vec<Done> {
        let mut done = Vec::new();
        for (n, Gone { id, layers }) in gone.into_iter().enumerate() {
            if self.blobs.remove(&id) || n == 0 {
                done.push(Done::Deleted(id));
            }
            let layers = layers.into_iter().filter(|key| self.layers.remove(key));
            done.extend(layers.map(Done::Deleted));
        }
        done
    }
}

/// `repository@digest`, for what came from a registry under that name.
pub async fn repo_digest(session: &Session, named: &Named) -> Result<Option<String>> {
    let Ok(reference) = named.name.parse::<Reference>() else { return Ok(None) };
    let digest = named.target.digest;
    let info = session.services.content.info(&session.scope, &digest).await.found()?;
    let came =
        info.is_some_and(|info| !labels::repositories(&info.labels, reference.domain()).is_empty());
    Ok((came && !is_dangling(&named.name))
        .then(|| format!("{}@{digest}", reference.familiar_repository())))
}

/// Whether another of the image's names is of the same repository.
fn same_repository(named: &Named, left: &[String]) -> bool {
    let repository = |name: &str| Some(name.parse::<Reference>().ok()?.repository());
    left.iter().any(|other| repository(other) == repository(&named.name))
}

/// As Docker shows it; what is no reference as it is.
pub fn familiar(name: &str) -> String {
    name.parse::<Reference>().map_or_else(|_| name.to_owned(), |reference| reference.familiar())
}
