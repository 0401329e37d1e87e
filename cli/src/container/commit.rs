//! A commit: what a container changed becomes a layer on the image that it was made of.
//!
//! The program is paused while its tree is read, and goes on whatever becomes of the commit. What is mounted in the
//! container (volumes, what Varve itself mounts over the image's files) is no part of its tree.

mod base;
mod config;

use varve_core::diff::NewLayer;
use varve_core::labels::UNCOMPRESSED;
use varve_core::unpack::Layer;
use varve_core::{DiffId, Error, Reference, Result};

use super::find::Found;
use super::pause::pause;
use crate::archive::Intake;
use crate::changes;
use crate::image::Image;
use crate::image::make::Family;
use crate::import::Change;
use crate::load::under_lease;
use crate::making::{Made, Making};
use crate::services::Snapshotter;
use crate::session::Session;

/// What to do where a program cannot be paused.
const OR_ELSE: &str = "--pause=false commits it as it runs";

/// What the image is to be, beside what the container makes it.
pub struct Wish {
    pub name: Option<Reference>,
    pub author: String,
    pub message: String,
    pub changes: Vec<Change>,
    /// Whether a program that runs stands still meanwhile.
    pub pause: bool,
}

/// Makes the image, and answers what it is.
pub async fn commit(session: &Session, found: &Found, wish: &Wish) -> Result<Made> {
    let snapshotter = session.services.snapshotter(Some(&found.container.snapshotter)).await?;
    let label = format!("commit of container {}", found.container.id);
    under_lease(session, &label, async |intake| {
        let making = Making { session, snapshotter: &snapshotter, intake };
        let base = base::find(session, found).await?;
        hold(intake, &base.image).await?;
        let family = Family::of(&base.image.manifest.media_type);
        let top = layer(found, wish, &making, &base.image, family).await?;
        let config = config::of(&base.config, found, wish, top.diff_id)?;
        let layers = [&base.image.layers[..], &[top]].concat();
        let image = making.image(family, config, &layers).await?;
        making.record(&image, wish.name.as_ref()).await
    })
    .await
}

/// Has the lease hold the layers of the base, whatever becomes of its names meanwhile.
async fn hold(intake: &Intake, base: &Image) -> Result<()> {
    for layer in &base.layers {
        let blob = &layer.blob;
        if let Some(taking) = intake.begin(blob.size, Some(blob.digest)).await? {
            taking.abort().await;
            return Err(Error::not_found(format!(
                "layer {}: its bytes are not here any more; pull the image again",
                blob.digest
            )));
        }
    }
    Ok(())
}

/// The layer of what the container changed.
async fn layer(
    found: &Found,
    wish: &Wish,
    making: &Making<'_>,
    base: &Image,
    family: Family,
) -> Result<Layer> {
    let scope = making.intake.scope();
    let snapshotter: &Snapshotter = making.snapshotter;
    let paused = if wish.pause { pause(found, OR_ELSE).await? } else { None };
    let new = NewLayer { media_type: family.layer(), ..NewLayer::default() };
    let made = changes::layer(scope, snapshotter, &found.container.snapshot_key, new).await;
    drop(paused);
    let blob = made?;
    let info = making.session.services.content.info(scope, &blob.digest).await?;
    let diff_id = info.labels.get(UNCOMPRESSED).ok_or_else(|| {
        Error::internal(format!("layer {}: the differ did not label it", blob.digest))
    })?;
    Ok(Layer { blob, diff_id: DiffId(diff_id.parse()?), parent: base.top() })
}
