//! An import, from a root file system's tar to an image of one layer: each step is a module.
//!
//! The tar is stored as it comes, compressed or not, while its diff id is found out; then the image is made around
//! it, unpacked, which tells whether it is a tar at all, and named.

mod change;
mod config;
mod layer;

use varve_core::{Platform, Reference, Result, ResultExt};

use crate::archive::{self, Input, Intake};
use crate::image::Image;
use crate::image::make::Family;
use crate::load::under_lease;
use crate::making::{Made, Making};
use crate::services::Snapshotter;
use crate::session::Session;

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

/// Imports.
pub async fn import(session: &Session, wish: &Wish) -> Result<Made> {
    let label = format!("importing {}", wish.input.noun());
    under_lease(session, &label, async |intake| {
        let making = Making { session, snapshotter: &wish.snapshotter, intake };
        let image = image(&making, wish, intake).await.context(|| wish.input.noun());
        let image = image.map_err(archive::faulty)?;
        making.record(&image, wish.name.as_ref()).await
    })
    .await
}

/// The image, unpacked, and without a name.
async fn image(making: &Making<'_>, wish: &Wish, intake: &Intake) -> Result<Image> {
    let layer = layer::take(wish.input.open()?, intake).await?;
    let config = config::of(wish, layer.diff_id)?;
    making.image(Family::Oci, config, &[layer]).await
}
