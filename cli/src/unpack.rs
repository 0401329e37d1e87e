//! Unpacking an image outside of a pull: what a pull with `--no-unpack` left to do, and what comes from an
//! archive.

use tokio::task::JoinSet;
use varve_core::labels::GC_REF_SNAPSHOT;
use varve_core::unpack::{Layer, Progress, Unpacked};
use varve_core::{Error, Labels, Mask, Result, ResultExt, Scope};

use crate::failure::about;
use crate::image::Image;
use crate::progress::{self, Line, Phase};
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
    if is_unpacked(session, snapshotter, image).await? {
        return Ok(());
    }
    let name = format!("unpacking {}", image.id());
    let lease = Lease::for_work(&session.services, &session.scope, &name).await?;
    let scope = lease.scope(&session.scope);
    all(snapshotter, &scope, &image.layers).await?;
    record(session, snapshotter, &scope, image).await?;
    lease.release().await
}

/// Unpacks those of an image's layers that are not unpacked, bottom first, showing a line for each on a terminal.
pub async fn all(snapshotter: &Snapshotter, scope: &Scope, layers: &[Layer]) -> Result<()> {
    let mut missing = Vec::new();
    for layer in layers {
        let chain_id = layer.chain_id().to_string();
        if snapshotter.snapshots.stat(scope, &chain_id).await.found()?.is_none() {
            missing.push(layer);
        }
    }
    let shown = progress::open_bars(false);
    let line = |layer: &&Layer| Line { id: layer.blob.digest.short(), size: layer.blob.size };
    shown.begin(&missing.iter().map(line).collect::<Vec<_>>());
    let mut unpacking = Unpacking::new(snapshotter, scope);
    for (number, layer) in missing.iter().enumerate() {
        let shown = shown.clone();
        let told = move |bytes| shown.layer(number, Phase::Extracting(bytes));
        unpacking.begin(layer, Progress::new(told));
    }
    let unpacked = unpacking.end().await;
    if unpacked.is_ok() {
        (0..missing.len()).for_each(|number| shown.layer(number, Phase::Loaded));
    }
    shown.end();
    unpacked
}

/// Layers on their way to become snapshots, under a lease. Each waits for the one below, which must have
/// been begun.
pub struct Unpacking {
    tasks: JoinSet<Result<Unpacked>>,
    snapshotter: Snapshotter,
    scope: Scope,
}

impl Unpacking {
    /// Under the lease of `scope`.
    pub fn new(snapshotter: &Snapshotter, scope: &Scope) -> Self {
        Self { tasks: JoinSet::new(), snapshotter: snapshotter.clone(), scope: scope.clone() }
    }

    /// Begins to unpack a layer, whether its bytes are here or still coming.
    pub fn begin(&mut self, layer: &Layer, progress: Progress) {
        let (unpacker, scope) = (self.snapshotter.unpacker.clone(), self.scope.clone());
        let layer = layer.clone();
        self.tasks.spawn(async move {
            let digest = layer.blob.digest;
            let unpacked = unpacker.unpack(&scope, layer, progress).await;
            unpacked.map_err(about(|| format!("layer {digest}")))
        });
    }

    /// Waits for all of them; the first failure stops the others.
    pub async fn end(mut self) -> Result<()> {
        let mut ended = Ok(());
        while let (Ok(()), Some(done)) = (&ended, self.tasks.join_next().await) {
            let done = done.map_err(|error| Error::internal("a task").with_source(error));
            ended = done.flatten().map(|unpacked| {
                unpacked.notices.iter().for_each(|notice| progress::warn(notice));
            });
        }
        self.stop().await;
        ended
    }

    /// Stops all of them. Whoever still works must have let go of the store before the caller goes on.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Records, on its config, that an image needs its snapshot.
pub async fn record(
    session: &Session,
    snapshotter: &Snapshotter,
    scope: &Scope,
    image: &Image,
) -> Result<()> {
    let Some(top) = image.top() else { return Ok(()) };
    let key = format!("{GC_REF_SNAPSHOT}{}", snapshotter.name);
    let mask = Mask::labels([&key]);
    let labels = Labels::from([(key.clone(), top.to_string())]);
    session.services.content.update(scope, &image.id(), &labels, &mask).await?;
    Ok(())
}
