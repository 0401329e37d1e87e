//! What an archive will hold: each blob once, and which image is called what.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use varve_core::oci::{Document, Manifest};
use varve_core::{Descriptor, Digest, Error, Platform, Reference, Result, ResultExt, Scope};

use super::find::{Meant, find};
use super::{Platforms, Wish, complete, hold, reduced};
use crate::image::{Documents, Image, Source};
use crate::session::Session;

/// All that is written.
#[derive(Default)]
pub struct Contents {
    /// Digest and size, sorted.
    pub blobs: BTreeMap<Digest, u64>,
    /// The bytes of those that are not in the store.
    pub made: HashMap<Digest, Bytes>,
    /// In the order in which they were asked for, each once.
    pub images: Vec<Saved>,
}

/// An image of the archive.
pub struct Saved {
    /// What index.json points to.
    pub target: Descriptor,
    pub names: Vec<Reference>,
    /// What manifest.json, which knows no platforms, is about: this machine's, or else the first.
    pub image: Image,
}

/// What is here of a target.
pub struct Here {
    /// Each with all that it points to.
    pub manifests: Vec<(Descriptor, Manifest)>,
    pub indexes: Vec<(Descriptor, Document)>,
    /// Manifests that are not here in whole; for each of those the first blob that is missing.
    pub missing: Vec<(Descriptor, Digest)>,
}

/// Finds out what to write, having fetched what is missing where that is wished.
pub async fn of(session: &Session, scope: &Scope, wish: &Wish) -> Result<Contents> {
    let mut contents = Contents::default();
    for text in &wish.images {
        let meant = find(session, text).await?;
        let target = meant.named.target.digest;
        hold(session, scope, &target).await?;
        let added = add(session, scope, wish, &mut contents, meant).await;
        added.map_err(crate::failure::about(|| text.clone()))?;
    }
    Ok(contents)
}

async fn add(
    session: &Session,
    scope: &Scope,
    wish: &Wish,
    contents: &mut Contents,
    meant: Meant,
) -> Result<()> {
    let mut here = look(session, &meant.named.target).await?;
    if wish.platforms == Platforms::All && !here.missing.is_empty() {
        complete::complete(session, scope, &meant, &here).await?;
        here = look(session, &meant.named.target).await?;
    }
    let (target, kept) = match &wish.platforms {
        Platforms::One(platform) => {
            let one = here.one(&meant, platform)?;
            (one.0.clone(), vec![one])
        }
        _ => reduced::reduce(contents, &meant, &here)?,
    };
    let image = image(session, &kept).await?;
    let (docker, layout) = (wish.format.is_docker(), wish.format.is_layout());
    if layout && target.media_type.is_index() && !contents.made.contains_key(&target.digest) {
        here.indexes.iter().for_each(|(index, _)| contents.blob(index));
    }
    for (descriptor, manifest) in &kept {
        // A docker-archive is of one platform, and needs no manifest.
        if layout {
            contents.manifest(descriptor, manifest);
        } else if docker && descriptor.digest == image.manifest.digest {
            contents.below(manifest);
        }
    }
    contents.name(target, image, meant.name);
    Ok(())
}

impl Contents {
    pub fn blob(&mut self, blob: &Descriptor) {
        self.blobs.insert(blob.digest, blob.size);
    }

    fn manifest(&mut self, descriptor: &Descriptor, manifest: &Manifest) {
        self.blob(descriptor);
        self.below(manifest);
    }

    fn below(&mut self, manifest: &Manifest) {
        self.blob(&manifest.config);
        manifest.layers.iter().for_each(|layer| self.blob(layer));
    }

    /// One target may be asked for by several names. A name with a digest goes with that digest alone.
    fn name(&mut self, target: Descriptor, image: Image, name: Option<Reference>) {
        let known = self.images.iter_mut().find(|saved| saved.target.digest == target.digest);
        let saved = match known {
            Some(saved) => saved,
            None => {
                self.images.push(Saved { target, names: Vec::new(), image });
                self.images.last_mut().expect("it was just pushed")
            }
        };
        let digest = saved.target.digest;
        let fits = |name: &Reference| name.digest().is_none_or(|of_name| of_name == digest);
        let new = name.filter(|name| fits(name) && !saved.names.contains(name));
        saved.names.extend(new);
    }
}

impl Here {
    /// The best for a platform. NotFound, saying what there is and how to come by it, where there is none.
    fn one(&self, meant: &Meant, platform: &Platform) -> Result<(Descriptor, Manifest)> {
        let offered = self.manifests.iter().enumerate();
        let offered = offered.filter_map(|(n, (it, _))| Some((n, it.platform.as_ref()?)));
        let only = || (self.indexes.is_empty()).then_some(0);
        let best = platform.choose(offered).or_else(only);
        let found = best.and_then(|n| self.manifests.get(n));
        found.cloned().ok_or_else(|| {
            let (text, here) = (&meant.text, self.platforms());
            Error::not_found(format!(
                "{text}: {platform} is not here; there is {here}; `varve pull --platform {platform} \
                 {text}` brings it"
            ))
        })
    }

    /// For a person.
    pub fn platforms(&self) -> String {
        let known = self.manifests.iter().filter_map(|(it, _)| it.platform.as_ref());
        let known: Vec<String> =
            known.filter(|it| it.os != "unknown").map(ToString::to_string).collect();
        if known.is_empty() { "nothing".into() } else { known.join(", ") }
    }
}

/// Looks what of a target is here in whole.
pub async fn look(session: &Session, target: &Descriptor) -> Result<Here> {
    let mut here = Here { manifests: Vec::new(), indexes: Vec::new(), missing: Vec::new() };
    let mut next = vec![target.clone()];
    let mut seen = std::collections::HashSet::from([target.digest]);
    while let Some(descriptor) = next.pop() {
        let services = &session.services;
        let documents = Documents { services, scope: &session.scope, source: Source::Store };
        let Some(document) = documents.document(&descriptor).await.found()? else {
            here.missing.push((descriptor.clone(), descriptor.digest));
            continue;
        };
        match &document {
            Document::Manifest(manifest) => match lacks(session, manifest).await? {
                Some(lacks) => here.missing.push((descriptor, lacks)),
                None => here.manifests.push((descriptor, manifest.clone())),
            },
            Document::Index(index) => {
                let known =
                    |it: &&Descriptor| it.media_type.is_index() || it.media_type.is_manifest();
                let children = index.manifests.iter().rev().filter(known).cloned();
                next.extend(children.filter(|child| seen.insert(child.digest)));
                here.indexes.push((descriptor, document));
            }
        }
    }
    Ok(here)
}

/// The first blob of a manifest that is not here.
async fn lacks(session: &Session, manifest: &Manifest) -> Result<Option<Digest>> {
    for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
        let info = session.services.content.info(&session.scope, &blob.digest).await.found()?;
        if info.is_none() {
            return Ok(Some(blob.digest));
        }
    }
    Ok(None)
}

/// The image that stands for all of them where only one can.
async fn image(session: &Session, manifests: &[(Descriptor, Manifest)]) -> Result<Image> {
    let images = manifests.iter().filter(|(_, manifest)| crate::image::is_image(manifest));
    let images: Vec<&Descriptor> = images.map(|(descriptor, _)| descriptor).collect();
    let offered = images.iter().enumerate();
    let offered = offered.filter_map(|(n, it)| Some((n, it.platform.as_ref()?)));
    let best = Platform::host().choose(offered).unwrap_or(0);
    let Some(best) = images.get(best) else {
        return Err(Error::invalid("is no container image, and cannot be saved as one"));
    };
    let services = &session.services;
    let documents = Documents { services, scope: &session.scope, source: Source::Store };
    documents.below(Vec::new(), (*best).clone()).await
}
