//! An image's documents, from a name's target down to the layers: read from the store, and brought
//! from the registry first where a pull says so. What they say of each other is checked (`check`).

mod check;
mod choose;
pub mod edges;
pub mod make;

use varve_core::oci::{Document, ImageConfig, Index, MAX_DOCUMENT, Manifest};
use varve_core::remotes::{Progress, Remote};
use varve_core::unpack::Layer;
use varve_core::{ChainId, Descriptor, Digest, Error, Platform, Result, ResultExt, Scope};
use varve_registry::LARGE;

use crate::services::Services;

pub use check::is_image;
pub use choose::{choose, offered_by};

/// On a child of an index that is no image but tells of one (Docker's BuildKit, *attestation storage*).
pub const ABOUT_ANOTHER: &str = "vnd.docker.reference.type";

/// Indexes below an index that are brought; the resolver reads no more either.
const MOST_INDEXES: usize = 64;

/// An image for one platform.
#[derive(Clone, Debug)]
pub struct Image {
    /// What the name points to, and indexes below it, with their children.
    pub indexes: Vec<(Descriptor, Index)>,
    pub manifest: Descriptor,
    pub document: Manifest,
    pub config: ImageConfig,
    /// Bottom first.
    pub layers: Vec<Layer>,
}

impl Image {
    /// The image's id, as Docker has it.
    pub fn id(&self) -> Digest {
        self.document.config.digest
    }

    /// What the name points to: the outermost index, or the manifest.
    pub fn target(&self) -> &Descriptor {
        self.indexes.first().map_or(&self.manifest, |(index, _)| index)
    }

    /// The snapshot that holds the whole tree; `None` for an image without layers.
    pub fn top(&self) -> Option<ChainId> {
        self.layers.last().map(Layer::chain_id)
    }

    /// What it was built for: the index's word where the config is silent.
    pub fn platform(&self) -> Platform {
        match self.config.os.is_empty() {
            true => self.manifest.platform.clone().unwrap_or_default(),
            false => self.config.platform(),
        }
    }
}

/// Where documents come from that are not here.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Nowhere: what is not here is not found.
    Store,
    /// The registry; they are in the store then, held by the scope's lease.
    Brought(&'a Remote),
    /// The registry; they are looked at and kept nowhere.
    Looked(&'a Remote),
}

/// Reads documents.
#[derive(Clone, Copy)]
pub struct Documents<'a> {
    pub services: &'a Services,
    pub scope: &'a Scope,
    pub source: Source<'a>,
}

impl Documents<'_> {
    /// The image for `platform` below `target`. From the store alone NotFound where a document of it is
    /// not here.
    pub async fn load(&self, target: &Descriptor, platform: &Platform) -> Result<Image> {
        if target.media_type.is_manifest() {
            // It chooses itself.
            return self.below(Vec::new(), target.clone()).await;
        }
        let indexes = self.indexes(target, platform).await?;
        let manifest = match self.source {
            // The resolver would look for the indexes in the store.
            Source::Looked(_) => choose(&indexes, platform)?,
            _ => self.services.resolver.select(self.scope, target, platform).await?,
        };
        self.below(indexes, manifest).await
    }

    /// The image of one manifest, whatever its platform.
    pub async fn below(
        &self,
        indexes: Vec<(Descriptor, Index)>,
        manifest: Descriptor,
    ) -> Result<Image> {
        let noun = || noun(&manifest);
        let bytes = self.read(&manifest).await?;
        let Document::Manifest(document) =
            Document::parse(&manifest.media_type, &bytes).context(noun)?
        else {
            return Err(Error::invalid(format!("{}: is an index", noun())));
        };
        check::media_types(&document).context(noun)?;
        let bytes = self.read(&document.config).await?;
        let noun = || self::noun(&document.config);
        let config = ImageConfig::parse(&bytes).context(noun)?;
        check::platform(&manifest, &config).context(noun)?;
        let layers = check::stack(&document, &config).context(noun)?;
        Ok(Image { indexes, manifest, document, config, layers })
    }

    /// Every index from `target` down that may hold something for `platform`.
    pub async fn indexes(
        &self,
        target: &Descriptor,
        platform: &Platform,
    ) -> Result<Vec<(Descriptor, Index)>> {
        let mut found: Vec<(Descriptor, Index)> = Vec::new();
        let mut next = vec![target.clone()];
        while let Some(descriptor) = next.pop() {
            let known = found.iter().any(|(seen, _)| seen.digest == descriptor.digest);
            if known || found.len() == MOST_INDEXES {
                continue;
            }
            let Some(index) = self.index(&descriptor).await? else { continue };
            let fits = |child: &&Descriptor| {
                let wanted = |offered: &Platform| platform.rank(offered).is_some();
                child.media_type.is_index() && child.platform.as_ref().is_none_or(wanted)
            };
            next.extend(index.manifests.iter().filter(fits).cloned());
            found.push((descriptor, index));
        }
        Ok(found)
    }

    /// Reads one document; `None` where it is a manifest and not an index.
    async fn index(&self, descriptor: &Descriptor) -> Result<Option<Index>> {
        match self.document(descriptor).await? {
            Document::Index(index) => Ok(Some(index)),
            Document::Manifest(_) => Ok(None),
        }
    }

    /// Reads an index or a manifest.
    pub async fn document(&self, descriptor: &Descriptor) -> Result<Document> {
        let (kind, noun) = (&descriptor.media_type, || noun(descriptor));
        if !kind.is_index() && !kind.is_manifest() {
            return Err(Error::invalid(format!("{kind} {}: is no image", descriptor.digest)));
        }
        let bytes = self.read(descriptor).await?;
        Document::parse(&descriptor.media_type, &bytes).context(noun)
    }

    /// Its bytes, or an error that names it.
    async fn read(&self, document: &Descriptor) -> Result<bytes::Bytes> {
        let digest = document.digest.to_string();
        self.read_it(document).await.map_err(|error| match error.chain().contains(&digest) {
            true => error,
            false => error.context(noun(document)),
        })
    }

    async fn read_it(&self, document: &Descriptor) -> Result<bytes::Bytes> {
        if document.size > MAX_DOCUMENT {
            let size = document.size;
            return Err(Error::exhausted(format!(
                "{size} bytes, more than {MAX_DOCUMENT}; {LARGE}"
            )));
        }
        let (content, digest) = (&self.services.content, &document.digest);
        match self.source {
            Source::Store => {}
            // Where it is here the lease holds it from now on.
            Source::Brought(remote) => {
                let silent = Progress::ignored();
                self.services.fetcher.fetch(self.scope, remote, document, silent).await?;
            }
            Source::Looked(remote) => {
                if content.info(self.scope, digest).await.found()?.is_none() {
                    return self.services.resolver.document(remote, document).await;
                }
            }
        }
        content.reader(self.scope, digest).await?.read_all(MAX_DOCUMENT).await
    }
}

/// What a document is called in an error.
fn noun(document: &Descriptor) -> String {
    let kind = &document.media_type;
    let word = match (kind.is_index(), kind.is_manifest()) {
        (true, _) => "index",
        (_, true) => "manifest",
        _ => "config",
    };
    format!("{word} {}", document.digest)
}
