//! Taking names from images, and telling what went with them: the work of `image rm` and `image prune`.

use std::collections::HashSet;

use serde::Serialize;
use varve_core::images::{Image as Named, Removal};
use varve_core::labels::DISTRIBUTION_SOURCE;
use varve_core::{Reference, Result, ResultExt};

use crate::find;
use crate::image::Image;
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
    gone: Option<Gone>,
}

/// An image that has no name any more.
#[derive(Debug)]
struct Gone {
    id: String,
    /// Chain ids, top first.
    layers: Vec<String>,
}

/// Takes one name. Errors are those of [`varve_core::images::Images::remove`]; nothing is collected yet.
pub async fn take(session: &Session, named: &Named, force: bool) -> Result<Taken> {
    let image = find::present(session, named).await?;
    let from_registry = repo_digest(session, named).await?;
    let removal = Removal { name: named.name.clone(), force };
    let removed = session.services.images.remove(&session.scope, removal).await?;
    let untagged = untagged(named, from_registry, &removed.left);
    let gone = removed.left.is_empty().then(|| Gone::of(named, image.as_ref()));
    Ok(Taken { untagged, gone })
}

/// What taking a name takes: the name, and with the last one of its repository `repository@digest`.
pub fn untagged(named: &Named, from_registry: Option<String>, left: &[String]) -> Vec<String> {
    let name = (!is_dangling(&named.name)).then(|| familiar(&named.name));
    // What is named by its digest alone is told once.
    let digest = from_registry.filter(|digest| Some(digest) != name.as_ref());
    let digest = digest.filter(|_| !same_repository(named, left));
    name.into_iter().chain(digest).collect()
}

/// Collects once, and tells what has gone, and the bytes that came free.
pub async fn finish(session: &Session, taken: Vec<Taken>) -> Result<(Vec<Done>, u64)> {
    let (mut layers, mut bytes) = (HashSet::new(), 0);
    if taken.iter().any(|taken| taken.gone.is_some()) {
        let collected = session.services.collector.collect(false).await?;
        layers.extend(collected.snapshots.into_iter().map(|(_, _, key)| key));
        bytes = collected.bytes;
    }
    let mut done = Vec::new();
    for taken in taken {
        done.extend(taken.untagged.into_iter().map(Done::Untagged));
        let Some(gone) = taken.gone else { continue };
        done.push(Done::Deleted(gone.id));
        // Each once: images that go together may share them.
        let went = gone.layers.into_iter().filter(|key| layers.remove(key));
        done.extend(went.map(Done::Deleted));
    }
    Ok((done, bytes))
}

impl Gone {
    fn of(named: &Named, image: Option<&Image>) -> Self {
        let id = image.map_or(named.target.digest, Image::id).to_string();
        let layers = image.into_iter().flat_map(|image| image.layers.iter().rev());
        Self { id, layers: layers.map(|layer| layer.chain_id().to_string()).collect() }
    }
}

/// `repository@digest`, for what came from a registry under that name.
pub async fn repo_digest(session: &Session, named: &Named) -> Result<Option<String>> {
    let Ok(reference) = named.name.parse::<Reference>() else { return Ok(None) };
    let digest = named.target.digest;
    let info = session.services.content.info(&session.scope, &digest).await.found()?;
    let source = format!("{DISTRIBUTION_SOURCE}{}", reference.domain());
    let came = info.is_some_and(|info| info.labels.contains_key(&source));
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
