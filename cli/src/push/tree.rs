//! What a name points to, document by document, and what of it is here.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use varve_core::oci::Document;
use varve_core::{Descriptor, Error, MediaType, Platform, Result, ResultExt, Scope};

use crate::image::{Documents, Source};
use crate::services::Services;

/// Indexes within indexes that are followed.
const DEEPEST: usize = 8;

/// A document, or what else an index has.
#[derive(Clone, Debug)]
pub struct Tree {
    pub descriptor: Descriptor,
    pub part: Part,
}

/// What is known of it.
#[derive(Clone, Debug)]
pub enum Part {
    /// It is not here.
    Absent,
    /// Nor need it be: the repository has it, with all that it refers to.
    There,
    Manifest {
        config: Box<Descriptor>,
        /// Bottom first.
        layers: Vec<Descriptor>,
        /// Those of both that are not here.
        missing: Vec<Descriptor>,
    },
    Index(Vec<Tree>),
    /// Neither of the two, and here.
    Blob,
}

impl Tree {
    /// Whether all of it is here.
    pub fn is_whole(&self) -> bool {
        match &self.part {
            Part::Absent => false,
            Part::Manifest { missing, .. } => missing.is_empty(),
            Part::Index(children) => children.iter().all(Self::is_whole),
            Part::There | Part::Blob => true,
        }
    }

    /// What is not here and known of: documents before what they refer to.
    pub fn missing(&self) -> Vec<&Descriptor> {
        match &self.part {
            Part::Absent => vec![&self.descriptor],
            Part::Manifest { missing, .. } => missing.iter().collect(),
            Part::Index(children) => children.iter().flat_map(Self::missing).collect(),
            Part::There | Part::Blob => Vec::new(),
        }
    }

    /// The platforms of images that are not all here; of one that says none its digest.
    pub fn left(&self) -> Vec<String> {
        match &self.part {
            Part::Index(children) => children.iter().flat_map(Self::left).collect(),
            _ if self.is_whole() || is_about_another(&self.descriptor) => Vec::new(),
            _ => vec![called(&self.descriptor)],
        }
    }
}

/// Whether it tells of another manifest, as attestations do (BuildKit, *attestation-storage.md*).
pub fn is_about_another(descriptor: &Descriptor) -> bool {
    subject(descriptor).is_some()
}

/// The digest of the manifest that it tells of.
pub fn subject(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotations.get("vnd.docker.reference.digest").map(String::as_str)
}

/// What a person calls it: by its platform, where it says one.
fn called(descriptor: &Descriptor) -> String {
    let known = |platform: &&Platform| !platform.os.is_empty() && platform.os != "unknown";
    let platform = descriptor.platform.as_ref().filter(known);
    platform.map_or_else(|| descriptor.digest.to_string(), ToString::to_string)
}

/// Looks at what is in the store. An index may list the same child a thousand times, and so may that: what is
/// looked at below one name is counted, as often as it is listed.
#[derive(Clone, Copy)]
pub struct Looker<'a> {
    pub services: &'a Services,
    pub scope: &'a Scope,
}

type Looked<'a> = Pin<Box<dyn Future<Output = Result<Tree>> + Send + 'a>>;

impl Looker<'_> {
    /// What is here of `target` and below it.
    pub async fn look(&self, target: &Descriptor) -> Result<Tree> {
        self.at(target, 0, &AtomicUsize::new(0)).await
    }

    fn at<'a>(
        &'a self,
        descriptor: &'a Descriptor,
        depth: usize,
        seen: &'a AtomicUsize,
    ) -> Looked<'a> {
        Box::pin(async move {
            self.services.bounds.check_documents(seen.fetch_add(1, Ordering::Relaxed))?;
            let part = match self.has(descriptor).await? {
                true => self.part(descriptor, depth, seen).await?,
                false => Part::Absent,
            };
            Ok(Tree { descriptor: descriptor.clone(), part })
        })
    }

    async fn part(
        &self,
        descriptor: &Descriptor,
        depth: usize,
        seen: &AtomicUsize,
    ) -> Result<Part> {
        let kind = &descriptor.media_type;
        if !kind.is_index() && !kind.is_manifest() {
            return Ok(Part::Blob);
        }
        if depth == DEEPEST {
            let digest = descriptor.digest;
            return Err(Error::invalid(format!("index {digest}: is nested beyond reason")));
        }
        let documents =
            Documents { services: self.services, scope: self.scope, source: Source::Store };
        match documents.document(descriptor).await? {
            Document::Index(index) => {
                let mut children = Vec::with_capacity(index.manifests.len());
                for child in &index.manifests {
                    children.push(self.at(child, depth + 1, seen).await?);
                }
                Ok(Part::Index(children))
            }
            Document::Manifest(manifest) => {
                let mut missing = Vec::new();
                let (config, mut layers) = (manifest.config, manifest.layers);
                for blob in std::iter::once(&config).chain(&layers) {
                    if !self.has(blob).await? {
                        missing.push(blob.clone());
                    }
                }
                // Nobody expects these at a registry, and they are rarely here.
                let stays_away = |blob: &Descriptor| is_foreign(&blob.media_type);
                layers.retain(|layer| !stays_away(layer) || !missing.contains(layer));
                missing.retain(|blob| !stays_away(blob));
                Ok(Part::Manifest { config: Box::new(config), layers, missing })
            }
        }
    }

    async fn has(&self, blob: &Descriptor) -> Result<bool> {
        Ok(self.services.content.info(self.scope, &blob.digest).await.found()?.is_some())
    }
}

/// A layer that is not to be distributed, but fetched where its manifest says.
fn is_foreign(kind: &MediaType) -> bool {
    let name = kind.as_str();
    name.contains(".nondistributable.") || name.contains(".foreign.")
}
