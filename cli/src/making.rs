//! Images that are made here, around layers that are in the store: their documents, their tree, their name.

use bytes::Bytes;
use serde::Serialize;
use varve_core::images::{Record, dangling};
use varve_core::labels::UNCOMPRESSED;
use varve_core::unpack::Layer;
use varve_core::{Descriptor, Digest, Labels, Reference, Result};

use crate::archive::Intake;
use crate::image::make::{self, Family};
use crate::image::{Documents, Image, Source, edges};
use crate::services::Snapshotter;
use crate::session::Session;
use crate::unpack;

/// What one is made with: all of it is held by the intake's lease until it has a name.
pub struct Making<'a> {
    pub session: &'a Session,
    pub snapshotter: &'a Snapshotter,
    pub intake: &'a Intake,
}

/// What came of it.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Canonical; none where none was given.
    pub name: Option<String>,
    pub digest: String,
    /// The image's ID: its config's digest.
    pub id: String,
    pub chain_id: Option<String>,
}

impl Making<'_> {
    /// Stores the documents of an image of these layers, bottom first, and unpacks what is not unpacked yet.
    pub async fn image(&self, family: Family, config: Bytes, layers: &[Layer]) -> Result<Image> {
        let (size, digest) = (config.len() as u64, self.intake.bytes(config).await?);
        let config = Descriptor::new(family.config(), digest, size);
        let blobs: Vec<Descriptor> = layers.iter().map(|layer| layer.blob.clone()).collect();
        let (manifest, bytes) = make::manifest(family, &config, &blobs)?;
        self.intake.bytes(bytes).await?;
        let (services, scope) = (&self.session.services, self.intake.scope());
        unpack::all(self.snapshotter, scope, layers).await?;
        let documents = Documents { services, scope, source: Source::Store };
        let image = documents.below(Vec::new(), manifest).await?;
        unpack::record(self.session, self.snapshotter, scope, &image).await?;
        Ok(image)
    }

    /// Records it, by its name or as an image that has none.
    pub async fn record(&self, image: &Image, name: Option<&Reference>) -> Result<Made> {
        let target = image.manifest.clone();
        let digest = target.digest;
        let name = name.map(Reference::to_string);
        let stored = name.clone().unwrap_or_else(|| dangling(&digest));
        let seen = |layer: &Layer| {
            let label = (UNCOMPRESSED.to_owned(), layer.diff_id.to_string());
            (layer.blob.digest, Labels::from([label]))
        };
        let mut content_labels: Vec<(Digest, Labels)> = image.layers.iter().map(seen).collect();
        content_labels.push((digest, edges::of_manifest(&image.document)));
        let record = Record { name: stored, target, content_labels };
        self.session.services.images.record(self.intake.scope(), record).await?;
        let chain_id = image.top().map(|top| top.to_string());
        Ok(Made { name, digest: digest.to_string(), id: image.id().to_string(), chain_id })
    }
}
