//! Unpacking an image whose layers are all here: what a pull with `--no-unpack` left to do.

use tokio::task::JoinSet;
use varve_core::labels::GC_REF_SNAPSHOT;
use varve_core::unpack::{Progress, Unpacked};
use varve_core::{Error, Labels, Mask, Result, ResultExt, Scope};

use crate::failure::about;
use crate::image::Image;
use crate::progress;
use crate::pull::Lease;
use crate::services::Snapshotter;
use crate::session::Session;

/// Whether the whole tree is there.
pub async fn is_unpacked(
    session: &Session,
    snapshotter: &Snapshotter,
    image: &Image,
) -> Result<bool> {
    let Some(top) = image.top() else { return Ok(true) };
    Ok(snapshotter.snapshots.stat(&session.scope, &top.to_string()).await.found()?.is_some())
}

/// Unpacks what is not unpacked yet, and records that the image needs it.
pub async fn ensure(session: &Session, snapshotter: &Snapshotter, image: &Image) -> Result<()> {
    let Some(top) = image.top() else { return Ok(()) };
    if is_unpacked(session, snapshotter, image).await? {
        return Ok(());
    }
    let config = image.id();
    let name = format!("unpacking {config}");
    let lease = Lease::take(&session.services, &session.scope, &name).await?;
    let scope = lease.scope(&session.scope);
    let mut tasks = JoinSet::new();
    let unpacked = all(&mut tasks, snapshotter, &scope, image).await;
    // Whoever still works must have let go of the store before the caller goes on.
    tasks.shutdown().await;
    unpacked?;
    let key = format!("{GC_REF_SNAPSHOT}{}", snapshotter.name);
    let mask = Mask::labels([&key]);
    let labels = Labels::from([(key.clone(), top.to_string())]);
    session.services.content.update(&scope, &config, &labels, &mask).await?;
    lease.release().await
}

/// Every layer at once; the unpacker has each wait for the one below.
async fn all(
    tasks: &mut JoinSet<Result<Unpacked>>,
    snapshotter: &Snapshotter,
    scope: &Scope,
    image: &Image,
) -> Result<()> {
    for layer in image.layers.clone() {
        let (unpacker, scope) = (snapshotter.unpacker.clone(), scope.clone());
        tasks.spawn(async move {
            let digest = layer.blob.digest;
            let unpacked = unpacker.unpack(&scope, layer, Progress::ignored()).await;
            unpacked.map_err(about(|| format!("layer {digest}")))
        });
    }
    while let Some(done) = tasks.join_next().await {
        let unpacked = done.map_err(|error| Error::internal("a task").with_source(error))??;
        unpacked.notices.iter().for_each(|notice| progress::warn(notice));
    }
    Ok(())
}
