//! One image of a shelf into the store: its documents, then, for each platform that is whole, config and layers.

use std::collections::HashMap;

use varve_core::leases::Resource;
use varve_core::oci::Manifest;
use varve_core::remotes::ingest_ref;
use varve_core::{Descriptor, Digest, Error, Platform, Result, ResultExt};

use super::compose::compose;
use super::tree::{self, Tree};
use super::{Platforms, Wish, layers};
use crate::archive::{DockerItem, Intake, Listed, ListedAs, Shelf, blob_name};
use crate::image::{Documents, Image, Source, is_image};
use crate::progress;
use crate::session::Session;

/// What every image of a load works with.
pub struct Bring<'a> {
    pub session: &'a Session,
    pub wish: &'a Wish,
    pub shelf: &'a Shelf,
    pub intake: &'a Intake,
    /// Names of blobs that are not named by their digest.
    names: HashMap<Digest, String>,
}

/// An image that is here, and has no name yet.
pub struct Brought {
    pub target: Descriptor,
    pub tree: Tree,
    /// The platforms that are whole.
    pub images: Vec<Image>,
    /// Which of them is unpacked.
    pub unpacked: Option<usize>,
}

impl<'a> Bring<'a> {
    pub fn new(session: &'a Session, wish: &'a Wish, shelf: &'a Shelf, intake: &'a Intake) -> Self {
        Self { session, wish, shelf, intake, names: HashMap::new() }
    }

    /// Brings one image and unpacks it.
    pub async fn image(&self, listed: &Listed) -> Result<Brought> {
        match &listed.what {
            ListedAs::Target(target) => self.target(target).await,
            ListedAs::Item(item) => self.item(item).await,
        }
    }

    async fn item(&self, item: &DockerItem) -> Result<Brought> {
        let composed = compose(self.shelf, self.intake, item).await?;
        let with = Bring { names: composed.names, ..*self };
        with.target(&composed.target).await
    }

    async fn target(&self, target: &Descriptor) -> Result<Brought> {
        let tree = tree::documents(self, target).await?;
        let manifests = self.wanted(target, &tree).await?;
        let mut images = Vec::new();
        let mut lacking = None;
        for (descriptor, manifest) in &manifests {
            match self.lacks(manifest).await? {
                None if is_image(manifest) => images.push(self.open(descriptor).await?),
                // What tells of an image is kept beside it.
                None => self.all(manifest).await?,
                Some(lacks) => lacking = lacking.or(Some(lacks)),
            }
        }
        match (images.is_empty(), lacking, manifests.first()) {
            (false, ..) => {}
            (true, Some(lacks), _) => return Err(missing(&lacks)),
            // Says why it is no image.
            (true, None, Some((descriptor, _))) => drop(self.open(descriptor).await?),
            (true, None, None) => return Err(Error::not_found("there is no image in its index")),
        }
        let unpacked = self.choose(target, &images)?;
        for (n, image) in images.iter().enumerate() {
            layers::bring(self, image, unpacked == Some(n)).await?;
        }
        Ok(Brought { target: target.clone(), tree, images, unpacked })
    }

    /// The manifests to bring: all, or the one for the platform that was asked for.
    async fn wanted(
        &self,
        target: &Descriptor,
        tree: &Tree,
    ) -> Result<Vec<(Descriptor, Manifest)>> {
        let all = tree.manifests().map(|(one, manifest)| (one.clone(), manifest.clone()));
        let platform = match &self.wish.platforms {
            Platforms::All => return Ok(all.collect()),
            Platforms::Best => Platform::host(),
            Platforms::One(platform) => platform.clone(),
        };
        let resolver = &self.session.services.resolver;
        let chosen = resolver.select(self.intake.scope(), target, &platform).await?;
        let found: Vec<_> = all.filter(|(one, _)| one.digest == chosen.digest).collect();
        match found.is_empty() {
            true => Err(missing(&chosen)),
            false => Ok(found),
        }
    }

    /// The first blob of a manifest that is nowhere.
    async fn lacks(&self, manifest: &Manifest) -> Result<Option<Descriptor>> {
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            if self.name(blob)?.is_none() && !self.is_here(blob).await? {
                return Ok(Some(blob.clone()));
            }
        }
        Ok(None)
    }

    /// The image of a manifest, its config brought.
    async fn open(&self, manifest: &Descriptor) -> Result<Image> {
        let (services, scope) = (&self.session.services, self.intake.scope());
        let documents = Documents { services, scope, source: Source::Store };
        if let varve_core::oci::Document::Manifest(it) = documents.document(manifest).await? {
            self.blob(&it.config).await.context(|| format!("config {}", it.config.digest))?;
        }
        documents.below(Vec::new(), manifest.clone()).await
    }

    async fn all(&self, manifest: &Manifest) -> Result<()> {
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            self.blob(blob).await.context(|| format!("blob {}", blob.digest))?;
        }
        Ok(())
    }

    /// The platform to unpack: the one that was asked for, this machine's, or the only one there is. That it is
    /// for another machine is an error where one was asked for, and worth a word where none was.
    fn choose(&self, target: &Descriptor, images: &[Image]) -> Result<Option<usize>> {
        let platforms: Vec<Platform> = images.iter().map(Image::platform).collect();
        let there = || platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let wanted = match &self.wish.platforms {
            Platforms::One(platform) => platform.clone(),
            Platforms::All | Platforms::Best => Platform::host(),
        };
        let suits = |it: &Platform| it.os.is_empty() || wanted.rank(it).is_some();
        let best = wanted.choose(platforms.iter().enumerate());
        let best = best.or_else(|| platforms.iter().position(suits));
        if best.is_none() && matches!(self.wish.platforms, Platforms::One(_)) {
            let message = format!("there is no image for {wanted} in it; there is {}", there());
            return Err(Error::not_found(message));
        }
        if best.is_none() {
            progress::warn(&format!(
                "WARNING: {}: its platform ({}) does not match this machine ({wanted})",
                self.shelf.noun,
                there()
            ));
        }
        let only = || target.media_type.is_manifest().then_some(0);
        Ok(best.or_else(only).filter(|_| self.wish.snapshotter.is_some()))
    }

    /// Brings a blob, or holds the one that is here; `false` where it is nowhere.
    pub async fn blob(&self, blob: &Descriptor) -> Result<bool> {
        if self.is_here(blob).await? {
            return Ok(true);
        }
        let Some(name) = self.name(blob)? else { return Ok(false) };
        let Some(file) = self.shelf.file(&name)? else { return Ok(false) };
        if file.size != blob.size {
            let (has, wanted) = (file.size, blob.size);
            let message = format!("{name:?} has {has} bytes, and {wanted} are said to be in it");
            return Err(Error::invalid(message));
        }
        let taken = self.intake.file(&file, Some(blob.digest)).await;
        taken.context(|| format!("{name:?}"))?;
        Ok(true)
    }

    /// Whether the store has it; the lease holds it then.
    async fn is_here(&self, blob: &Descriptor) -> Result<bool> {
        let (services, scope) = (&self.session.services, self.intake.scope());
        let lease = scope.lease.as_deref().unwrap_or_default();
        // Before the look, so that it cannot go in between.
        services.leases.add_resource(scope, lease, &Resource::content(&blob.digest)).await?;
        let Some(info) = services.content.info(scope, &blob.digest).await.found()? else {
            return Ok(false);
        };
        match info.size == blob.size {
            true => Ok(true),
            false => Err(Error::invalid(format!(
                "blob {} has {} bytes, and {} are said to be in it",
                blob.digest, info.size, blob.size
            ))),
        }
    }

    /// What the shelf calls it, if it has it.
    fn name(&self, blob: &Descriptor) -> Result<Option<String>> {
        let own = blob_name(&blob.digest);
        let name = self.names.get(&blob.digest).cloned().unwrap_or(own);
        Ok(self.shelf.file(&name)?.map(|_| name))
    }
}

/// The error for what an archive points to and does not have.
pub fn missing(blob: &Descriptor) -> Error {
    let noun = ingest_ref(blob).replacen('-', " ", 1);
    Error::not_found(format!("{noun} is missing in the archive"))
}
