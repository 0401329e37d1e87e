//! The layers of an image: brought from the bottom up, and each unpacked while it is brought.

use varve_core::unpack::Layer;
use varve_core::{Result, ResultExt};

use super::bring::{Bring, missing};
use crate::image::Image;
use crate::unpack::{self, Unpacking};

/// Brings every layer, and unpacks the image where that is said.
pub async fn bring(bring: &Bring<'_>, image: &Image, unpacked: bool) -> Result<()> {
    let snapshotter = bring.wish.snapshotter.as_ref().filter(|_| unpacked);
    let Some(snapshotter) = snapshotter else {
        return blobs(bring, image, |_| {}).await;
    };
    let scope = bring.intake.scope();
    if unpack::is_unpacked(bring.session, snapshotter, image).await? {
        blobs(bring, image, |_| {}).await?;
    } else {
        let mut unpacking = Unpacking::new(snapshotter, scope);
        let brought = blobs(bring, image, |layer| unpacking.begin(layer)).await;
        if let Err(error) = brought {
            unpacking.stop().await;
            return Err(error);
        }
        unpacking.end().await?;
    }
    unpack::record(bring.session, snapshotter, scope, image).await
}

async fn blobs(bring: &Bring<'_>, image: &Image, mut begin: impl FnMut(&Layer)) -> Result<()> {
    for layer in &image.layers {
        let noun = || format!("layer {}", layer.blob.digest);
        begin(layer);
        if !bring.blob(&layer.blob).await.context(noun)? {
            return Err(missing(&layer.blob));
        }
    }
    Ok(())
}
