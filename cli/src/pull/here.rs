//! Whether a pull has anything to do: asked of the store alone, without writing to it.

use varve_core::content::Content;
use varve_core::unpack::Layer;
use varve_core::{Descriptor, Digest, Result, ResultExt, Scope};

use super::Wish;
use crate::image::{Documents, Image, Source};
use crate::services::{Services, Snapshotter};

/// The image, where the name points to `target` already and all of it is here, unpacked if that is
/// wished. What the name points to is kept by it, so that no lease is needed to look.
pub async fn find(
    services: &Services,
    scope: &Scope,
    wish: &Wish,
    target: &Descriptor,
) -> Result<Option<Image>> {
    let name = wish.remote.reference.to_string();
    let known = services.images.get(scope, &name).await.found()?;
    if known.is_none_or(|image| image.target.digest != target.digest) {
        return Ok(None);
    }
    let documents = Documents { services, scope, source: Source::Store };
    let Some(image) = documents.load(target, &wish.wanted()).await.found()? else {
        return Ok(None);
    };
    for layer in &image.layers {
        let here = has_blob(&*services.content, scope, &layer.blob.digest).await?;
        if !here || !has_tree(wish.snapshotter.as_ref(), scope, layer).await? {
            return Ok(None);
        }
    }
    let recorded = super::record::is_recorded(services, scope, wish, &image).await?;
    Ok(recorded.then_some(image))
}

pub async fn has_blob(content: &dyn Content, scope: &Scope, digest: &Digest) -> Result<bool> {
    Ok(content.info(scope, digest).await.found()?.is_some())
}

/// Whether the layer is unpacked. Where nothing is to be unpacked, nothing is missing.
pub async fn has_tree(
    snapshotter: Option<&Snapshotter>,
    scope: &Scope,
    layer: &Layer,
) -> Result<bool> {
    let Some(snapshotter) = snapshotter else { return Ok(true) };
    let chain_id = layer.chain_id().to_string();
    Ok(snapshotter.snapshots.stat(scope, &chain_id).await.found()?.is_some())
}
