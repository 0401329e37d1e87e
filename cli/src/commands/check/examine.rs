//! Reads an image's documents, and lists what they say that must be here.

use std::sync::Arc;

use varve_core::images::Image as Named;
use varve_core::labels::{GC_REF_CONTENT, GC_REF_SNAPSHOT, source_keys};
use varve_core::oci::{Document, Index};
use varve_core::{Descriptor, Error, Kind, Platform, Reference, Result, Scope};

use super::inventory::Inventory;
use super::subject::Subject;
use crate::image::{self, Documents, Image, Source};
use crate::services::Services;
use crate::session::Session;

/// Works on one image at a time; clones are the same.
#[derive(Clone)]
pub struct Examiner {
    services: Services,
    scope: Scope,
    inventory: Arc<Inventory>,
    /// The only one that counts.
    platform: Option<Platform>,
}

impl Examiner {
    pub async fn new(session: &Session, platform: Option<Platform>) -> Result<Self> {
        let (services, scope) = (session.services.clone(), session.scope.clone());
        let inventory = Arc::new(Inventory::load(session).await?);
        Ok(Self { services, scope, inventory, platform })
    }

    fn documents(&self) -> Documents<'_> {
        Documents { services: &self.services, scope: &self.scope, source: Source::Store }
    }

    /// The image with these names. An error only where nothing can be said of it.
    pub async fn examine(&self, names: Vec<Named>) -> Result<Subject> {
        let came = names.iter().position(|named| self.was_pulled(named));
        let mut subject = Subject::new(names[came.unwrap_or(0)].clone(), came.is_some());
        let target = subject.named.target.clone();
        let manifests = match target.media_type.is_manifest() {
            true => vec![target],
            false => self.below_index(&mut subject, target).await?,
        };
        for manifest in manifests {
            self.platform_of(&mut subject, &manifest).await?;
        }
        Ok(subject)
    }

    /// Whether a registry that the name is of is one that it came from. What has lost its target may have.
    fn was_pulled(&self, named: &Named) -> bool {
        let Ok(reference) = named.name.parse::<Reference>() else { return false };
        let sources = source_keys(reference.domain());
        let target = &named.target.digest;
        let mut labels = self.inventory.labels(target);
        !self.inventory.has(target) || labels.any(|(key, _)| sources.contains(key))
    }

    /// The manifests that must be here.
    async fn below_index(
        &self,
        subject: &mut Subject,
        target: Descriptor,
    ) -> Result<Vec<Descriptor>> {
        let indexes = self.indexes(subject, target).await?;
        if let Some(platform) = &self.platform {
            return Ok(match image::choose(&indexes, platform) {
                Ok(chosen) => vec![chosen],
                Err(error) => {
                    let advice = "choose one of these".to_owned();
                    subject.doubts.push(subject.problem(error.chain(), advice));
                    Vec::new()
                }
            });
        }
        let children = indexes.into_iter().flat_map(|(_, index)| index.manifests);
        let is_image = |child: &Descriptor| {
            child.media_type.is_manifest() && !child.annotations.contains_key(image::ABOUT_ANOTHER)
        };
        let here = children.filter(is_image).filter(|child| self.inventory.has(&child.digest));
        let here: Vec<Descriptor> = here.collect();
        if here.is_empty() {
            let what = "no platform of it is here".to_owned();
            subject.doubts.push(subject.problem(what, subject.pull(None, None)));
        }
        // A pull that was interrupted leaves a manifest without labels: that platform is not here yet.
        let recorded: Vec<_> =
            here.iter().filter(|child| self.is_recorded(child)).cloned().collect();
        Ok(if recorded.is_empty() { here } else { recorded })
    }

    fn is_recorded(&self, manifest: &Descriptor) -> bool {
        self.inventory.labels(&manifest.digest).any(|(key, _)| key.starts_with(GC_REF_CONTENT))
    }

    /// `target`, and the indexes below it that are here.
    async fn indexes(
        &self,
        subject: &mut Subject,
        target: Descriptor,
    ) -> Result<Vec<(Descriptor, Index)>> {
        let mut indexes: Vec<(Descriptor, Index)> = Vec::new();
        let mut next = vec![target];
        while let Some(descriptor) = next.pop() {
            if indexes.iter().any(|(known, _)| known.digest == descriptor.digest) {
                continue;
            }
            subject.want("index", &descriptor, None);
            match self.documents().document(&descriptor).await {
                Ok(Document::Index(index)) => {
                    let below = index.manifests.iter().filter(|child| child.media_type.is_index());
                    next.extend(below.filter(|child| self.inventory.has(&child.digest)).cloned());
                    indexes.push((descriptor, index));
                }
                Ok(Document::Manifest(_)) => {}
                Err(error) => doubt(subject, None, error)?,
            }
        }
        Ok(indexes)
    }

    async fn platform_of(&self, subject: &mut Subject, manifest: &Descriptor) -> Result<()> {
        let platform = manifest.platform.as_ref();
        subject.want("manifest", manifest, platform);
        match self.documents().document(manifest).await {
            Ok(Document::Manifest(document)) => {
                subject.want("config", &document.config, platform);
                document.layers.iter().for_each(|layer| subject.want("layer", layer, platform));
            }
            Ok(Document::Index(_)) => {}
            Err(error) => return doubt(subject, platform, error),
        }
        match self.documents().below(Vec::new(), manifest.clone()).await {
            Ok(image) => self.trees(subject, &image),
            Err(error) => doubt(subject, platform, error)?,
        }
        Ok(())
    }

    /// Every layer, in every snapshotter that the image was unpacked in.
    fn trees(&self, subject: &mut Subject, image: &Image) {
        for (label, _) in self.inventory.labels(&image.id()) {
            let Some(name) = label.strip_prefix(GC_REF_SNAPSHOT) else { continue };
            let name = name.split('/').next().unwrap_or_default();
            if !self.inventory.is_closed(name) {
                self.tree(subject, image, name);
            }
        }
    }

    fn tree(&self, subject: &mut Subject, image: &Image, snapshotter: &str) {
        for layer in &image.layers {
            let key = layer.chain_id().to_string();
            let below = layer.parent.map(|parent| parent.to_string());
            let what = match self.inventory.parent(snapshotter, &key) {
                Some(parent) if *parent == below => {
                    subject.snapshots.push((snapshotter.to_owned(), key));
                    continue;
                }
                Some(_) => {
                    format!("snapshot {key} of {snapshotter} stands on another than it must")
                }
                None => format!(
                    "layer {}: is not unpacked in {snapshotter} (snapshot {key})",
                    layer.blob.digest
                ),
            };
            let advice = subject.pull(image.manifest.platform.as_ref(), Some(snapshotter));
            subject.problems.push(subject.problem(what, advice));
        }
    }
}

/// What cannot be read; an error that says nothing of the image stays one.
fn doubt(subject: &mut Subject, platform: Option<&Platform>, error: Error) -> Result<()> {
    use Kind::*;
    let tells = matches!(
        error.kind(),
        NotFound | DataLoss | InvalidArgument | FailedPrecondition | ResourceExhausted | Internal
    );
    if !tells {
        return Err(error);
    }
    let advice = subject.pull(platform, None);
    subject.doubts.push(subject.problem(error.chain(), advice));
    Ok(())
}
