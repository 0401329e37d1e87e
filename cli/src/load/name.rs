//! The names that a load gives: those of the archive. None is taken from another image without a word.

use std::collections::HashSet;

use varve_core::images::{Image as Named, Record, dangling};
use varve_core::labels::UNCOMPRESSED;
use varve_core::{Digest, Error, Labels, Platform, Reference, Result, ResultExt, Scope};

use super::bring::Brought;
use super::{Pick, Wish};
use crate::archive::{Input, Listed};
use crate::find;
use crate::image::{Documents, Image, Source, edges};
use crate::session::Session;

/// A name to record.
pub struct Name {
    /// As it is stored.
    pub stored: String,
    /// As a person knows it; nothing where the name only keeps the image.
    pub shown: Option<String>,
}

/// What became of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// What it points to.
    pub target: Digest,
    /// It did so before.
    pub same: bool,
    /// The ID of the image that had the name.
    pub taken_from: Option<Digest>,
}

/// The names of an image; where the archive has none, one that keeps it.
pub async fn names(
    session: &Session,
    wish: &Wish,
    brought: &Brought,
    listed: &Listed,
) -> Result<Vec<Name>> {
    let own = match (&wish.pick, listed.names.is_empty()) {
        (Pick::All, _) | (_, false) => listed.names.clone(),
        (_, true) => made(wish, listed).into_iter().collect(),
    };
    check(&own, brought)?;
    if !own.is_empty() {
        let name = |it: &Reference| Name { stored: it.to_string(), shown: Some(it.familiar()) };
        return Ok(own.iter().map(name).collect());
    }
    let all = session.services.images.list(&session.scope, &[]).await?;
    let known = all.into_iter().find(|it| it.target.digest == brought.target.digest);
    let stored = known.map_or_else(|| dangling(&brought.target.digest), |known| known.name);
    Ok(vec![Name { stored, shown: None }])
}

/// A name with a digest that is another image's would be believed.
fn check(names: &[Reference], brought: &Brought) -> Result<()> {
    let digest = brought.target.digest;
    let lies = |name: &&Reference| name.digest().is_some_and(|of_name| of_name != digest);
    match names.iter().find(lies) {
        None => Ok(()),
        Some(name) => Err(Error::invalid(format!("{name} is said to name {digest}"))),
    }
}

/// A pull needs a name: `localhost/`, what the file is called, and what the layout calls the image.
fn made(wish: &Wish, listed: &Listed) -> Option<Reference> {
    let Input::Path(path) = &wish.input else { return None };
    let path = path.canonicalize().ok()?;
    let file = path.file_name()?.to_str()?.to_lowercase();
    let base = file.split(".tar").next().unwrap_or_default().trim_matches('.');
    let tag = listed.tags.first().map_or("latest", String::as_str);
    format!("localhost/{base}:{tag}").parse().ok()
}

/// Records a name. It stays where it is if that has all that came.
pub async fn record(
    session: &Session,
    scope: &Scope,
    brought: &Brought,
    name: &Name,
) -> Result<Recorded> {
    let images = &session.services.images;
    let before = images.get(scope, &name.stored).await.found()?;
    let mut target = brought.target.clone();
    if let Some(before) = &before
        && covers(session, before, brought).await?
    {
        target = before.target.clone();
    }
    let (digest, content_labels) = (target.digest, labels(brought));
    let same = before.as_ref().is_some_and(|before| before.target.digest == digest);
    let taken_from = match before.filter(|_| !same) {
        Some(before) => Some(id(session, &before).await),
        None => None,
    };
    let record = Record { name: name.stored.clone(), target, content_labels };
    images.record(scope, record).await.context(|| format!("recording {}", name.stored))?;
    Ok(Recorded { target: digest, same, taken_from })
}

async fn id(session: &Session, named: &Named) -> Digest {
    let image = find::present(session, named).await.ok().flatten();
    image.as_ref().map_or(named.target.digest, Image::id)
}

/// Whether the name points to an index that has all that came: an archive of some of its platforms takes the
/// name from nobody.
async fn covers(session: &Session, before: &Named, brought: &Brought) -> Result<bool> {
    if !before.target.media_type.is_index() || before.target.digest == brought.target.digest {
        return Ok(false);
    }
    let documents =
        Documents { services: &session.services, scope: &session.scope, source: Source::Store };
    let indexes = documents.indexes(&before.target, &Platform::host()).await.found()?;
    let indexes = indexes.unwrap_or_default();
    let has: HashSet<Digest> =
        indexes.iter().flat_map(|(_, index)| &index.manifests).map(|child| child.digest).collect();
    Ok(brought.images.iter().all(|image| has.contains(&image.manifest.digest)))
}

/// The edges of all documents, and the diff ids that were seen.
fn labels(brought: &Brought) -> Vec<(Digest, Labels)> {
    let documents = brought.tree.documents.iter();
    let mut all: Vec<_> =
        documents.map(|(descriptor, it)| (descriptor.digest, edges::of(it))).collect();
    let unpacked = brought.unpacked.map(|n| &brought.images[n]);
    for layer in unpacked.into_iter().flat_map(|image| &image.layers) {
        let label = (UNCOMPRESSED.to_owned(), layer.diff_id.to_string());
        all.push((layer.blob.digest, Labels::from([label])));
    }
    all
}
