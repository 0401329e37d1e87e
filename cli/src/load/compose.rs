//! An image of a docker-archive: its manifest is made here, of the config and the layers that the archive has.
//!
//! The config stays as it is, so that the image's ID is Docker's. Layers stay as they are, too: what they are
//! compressed with, if they are, their first bytes say.

use std::collections::HashMap;

use varve_core::oci::ImageConfig;
use varve_core::{Descriptor, DiffId, Digest, Error, MediaType, Result, ResultExt};
use varve_snapshotter::apply::sniff;

use crate::archive::{DockerItem, File, Intake, Shelf, promised};
use crate::image::make::{self, Family};

/// The longest magic that says what a stream is.
const MAGIC: usize = 6;

/// A manifest that was made, and the names of the blobs that it points to.
pub struct Composed {
    pub target: Descriptor,
    /// By digest; those that are in the content store already are in here, too.
    pub names: HashMap<Digest, String>,
}

/// Makes the manifest of `item` and stores it.
pub async fn compose(shelf: &Shelf, intake: &Intake, item: &DockerItem) -> Result<Composed> {
    let noun = || format!("config {:?}", item.config);
    let file = shelf.file(&item.config)?.ok_or_else(|| missing(&item.config))?;
    let bytes = intake.document(&file).await.context(noun)?;
    let config = ImageConfig::parse(&bytes, &intake.bounds).context(noun)?;
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != item.layers.len() {
        let (diff_ids, layers) = (diff_ids.len(), item.layers.len());
        let message = format!("has {diff_ids} diff ids, and manifest.json lists {layers} layers");
        return Err(Error::invalid(message).context(noun()));
    }
    let config = Descriptor::new(MediaType::OciConfig, Digest::of(&bytes), bytes.len() as u64);
    let mut names = HashMap::from([(config.digest, item.config.clone())]);
    let mut layers = Vec::with_capacity(diff_ids.len());
    for (name, diff_id) in item.layers.iter().zip(diff_ids) {
        let layer = layer(shelf, intake, name, diff_id).await;
        let layer = layer.context(|| format!("layer {name:?}"))?;
        names.insert(layer.digest, name.clone());
        layers.push(layer);
    }
    let (target, manifest) = make::manifest(Family::Oci, &config, &layers)?;
    intake.bytes(manifest).await?;
    Ok(Composed { target, names })
}

async fn layer(shelf: &Shelf, intake: &Intake, name: &str, diff_id: &DiffId) -> Result<Descriptor> {
    let file = shelf.file(name)?.ok_or_else(|| missing(name))?;
    let (are, compression) = sniff(&intake.head(&file, MAGIC).await?);
    let compression = compression.ok_or_else(|| {
        Error::invalid(format!("is compressed with {are}; only gzip and zstd are read"))
    })?;
    let kind = MediaType::OciLayer(compression);
    let digest = match known(name, &file) {
        Some(digest) => digest,
        // What is not compressed has its diff id for a digest, and is verified when it is brought.
        None if kind == MediaType::OciLayer(varve_core::oci::Compression::None) => diff_id.0,
        None => intake.file(&file, None).await?,
    };
    Ok(Descriptor::new(kind, digest, file.size))
}

/// What a blob's name promises, or what was seen when it was stored.
fn known(name: &str, file: &File) -> Option<Digest> {
    file.stored().or_else(|| promised(name))
}

fn missing(name: &str) -> Error {
    Error::not_found(format!("{name:?} is missing in the archive"))
}
