//! The layers of an image: brought from the bottom up, and each unpacked while it is brought.

use std::sync::Arc;

use varve_core::unpack::{self, Layer};
use varve_core::{Descriptor, Result, ResultExt};

use super::bring::{Bring, missing};
use crate::image::Image;
use crate::progress::{self, Line, Phase, Progress};
use crate::unpack::{Unpacking, is_unpacked, record};

/// Brings every layer, and unpacks the image where that is said.
pub async fn bring(bring: &Bring<'_>, image: &Image, unpacked: bool) -> Result<()> {
    let snapshotter = bring.wish.snapshotter.as_ref().filter(|_| unpacked);
    let Some(snapshotter) = snapshotter else {
        return blobs(bring, image, |_, _| {}).await;
    };
    let scope = bring.intake.scope();
    let shown = show(bring, image);
    let is_here = is_unpacked(bring.session, snapshotter, image).await?;
    let mut unpacking = Unpacking::new(snapshotter, scope);
    let brought = blobs(bring, image, |number, layer| match is_here {
        true => shown.layer(number, Phase::Exists),
        false => unpacking.begin(layer, told(shown.clone(), number)),
    });
    let brought = brought.await;
    let unpacked = match brought {
        Ok(()) => unpacking.end().await,
        Err(error) => {
            unpacking.stop().await;
            Err(error)
        }
    };
    if unpacked.is_ok() {
        (0..image.layers.len()).for_each(|number| shown.layer(number, Phase::Loaded));
    }
    shown.end();
    unpacked?;
    record(bring.session, snapshotter, scope, image).await
}

/// A line a layer, on a terminal.
fn show(bring: &Bring<'_>, image: &Image) -> Arc<dyn Progress> {
    let shown = progress::open_bars(bring.wish.silent);
    let line = |blob: &Descriptor| Line { id: blob.digest.short(), size: blob.size };
    shown.begin(&image.document.layers.iter().map(line).collect::<Vec<_>>());
    (0..image.layers.len()).for_each(|number| shown.layer(number, Phase::Loading(0)));
    shown
}

/// Bytes are unpacked as they come: those are told.
fn told(shown: Arc<dyn Progress>, number: usize) -> unpack::Progress {
    unpack::Progress::new(move |bytes| shown.layer(number, Phase::Loading(bytes)))
}

async fn blobs(
    bring: &Bring<'_>,
    image: &Image,
    mut begin: impl FnMut(usize, &Layer),
) -> Result<()> {
    for (number, layer) in image.layers.iter().enumerate() {
        let noun = || format!("layer {}", layer.blob.digest);
        begin(number, layer);
        if !bring.blob(&layer.blob).await.context(noun)? {
            return Err(missing(&layer.blob));
        }
    }
    Ok(())
}
