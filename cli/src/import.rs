//! An import, from a root file system's tar to an image of one layer: this page is its story, and each step is a
//! module.
//!
//! The tar is stored as it comes, compressed or not, while its diff id is found out; then the image is made around
//! it, unpacked, which tells whether it is a tar at all, and named.

mod change;
mod config;
mod layer;

use serde::Serialize;
use varve_core::images::{Record, dangling};
use varve_core::labels::UNCOMPRESSED;
use varve_core::unpack::{Layer, Progress};
use varve_core::{Descriptor, Digest, Labels, MediaType, Platform, Reference, Result, ResultExt};

use crate::archive::{Input, Intake};
use crate::image::{Documents, Image, Source, edges, make};
use crate::load::under_lease;
use crate::services::Snapshotter;
use crate::session::Session;
use crate::unpack::{self, Unpacking};

pub use change::Change;

/// What is to be imported, and what the image says of itself.
pub struct Wish {
    pub input: Input,
    pub name: Option<Reference>,
    pub changes: Vec<Change>,
    pub message: String,
    pub platform: Platform,
    pub snapshotter: Snapshotter,
}

/// What came of it.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Canonical; none where none was given.
    pub name: Option<String>,
    pub digest: String,
    /// The image's ID: its config's digest.
    pub id: String,
    pub chain_id: Option<String>,
}

/// Imports.
pub async fn import(session: &Session, wish: &Wish) -> Result<Imported> {
    let label = format!("importing {}", wish.input.noun());
    under_lease(session, &label, async |intake| {
        let image = image(session, wish, intake).await.context(|| wish.input.noun())?;
        record(session, wish, intake, &image).await
    })
    .await
}

/// The image, unpacked, and without a name.
async fn image(session: &Session, wish: &Wish, intake: &Intake) -> Result<Image> {
    let layer = layer::take(wish.input.open()?, intake).await?;
    let config = config::of(wish, layer.diff_id)?;
    let (size, digest) = (config.len() as u64, intake.bytes(config).await?);
    let config = Descriptor::new(MediaType::OciConfig, digest, size);
    let (manifest, bytes) = make::manifest(&config, std::slice::from_ref(&layer.blob))?;
    intake.bytes(bytes).await?;
    unpack_layer(session, wish, intake, &layer).await?;
    let (services, scope) = (&session.services, intake.scope());
    let documents = Documents { services, scope, source: Source::Store };
    let image = documents.below(Vec::new(), manifest).await?;
    unpack::record(session, &wish.snapshotter, scope, &image).await?;
    Ok(image)
}

async fn unpack_layer(
    session: &Session,
    wish: &Wish,
    intake: &Intake,
    layer: &Layer,
) -> Result<()> {
    let snapshots = &wish.snapshotter.snapshots;
    let chain_id = layer.chain_id().to_string();
    if snapshots.stat(&session.scope, &chain_id).await.found()?.is_some() {
        return Ok(());
    }
    let mut unpacking = Unpacking::new(&wish.snapshotter, intake.scope());
    unpacking.begin(layer, Progress::ignored());
    unpacking.end().await
}

async fn record(
    session: &Session,
    wish: &Wish,
    intake: &Intake,
    image: &Image,
) -> Result<Imported> {
    let target = image.manifest.clone();
    let digest = target.digest;
    let name = wish.name.as_ref().map(Reference::to_string);
    let stored = name.clone().unwrap_or_else(|| dangling(&digest));
    let seen = |layer: &Layer| {
        let label = (UNCOMPRESSED.to_owned(), layer.diff_id.to_string());
        (layer.blob.digest, Labels::from([label]))
    };
    let mut content_labels: Vec<(Digest, Labels)> = image.layers.iter().map(seen).collect();
    content_labels.push((digest, edges::of_manifest(&image.document)));
    let record = Record { name: stored, target, content_labels };
    session.services.images.record(intake.scope(), record).await?;
    let chain_id = image.top().map(|top| top.to_string());
    Ok(Imported { name, digest: digest.to_string(), id: image.id().to_string(), chain_id })
}
