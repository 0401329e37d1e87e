//! The whole tree of a container as a tar: the layer that leads from nothing to it, made by the differ.

use varve_core::diff::NewLayer;
use varve_core::oci::Compression;
use varve_core::{Descriptor, Error, MediaType, Result};

use super::find::Found;
use super::pause::pause;
use crate::archive::{Pouring, Target};
use crate::pull::Lease;
use crate::session::Session;

/// Bytes read of it at once.
const CHUNK: usize = 1 << 20;

/// Writes it to `target`. A program that runs stands still while its tree is read.
pub async fn export(session: &Session, found: &Found, target: Target) -> Result<()> {
    let label = format!("export of container {}", found.container.id);
    let lease = Lease::for_work(&session.services, &session.scope, &label).await?;
    let scope = lease.scope(&session.scope);
    let written = async {
        let tar = tar(session, found, &scope).await?;
        pour(session, &tar, target).await
    };
    let written = written.await;
    lease.release().await?;
    // Nobody needs the tar a second time.
    session.services.collector.collect(false).await?;
    written
}

async fn tar(session: &Session, found: &Found, scope: &varve_core::Scope) -> Result<Descriptor> {
    let container = &found.container;
    let snapshotter = session.services.snapshotter(Some(&container.snapshotter)).await?;
    let mounts = snapshotter.snapshots.mounts(scope, &container.snapshot_key).await?;
    let layer =
        NewLayer { media_type: MediaType::OciLayer(Compression::None), ..NewLayer::default() };
    let _paused = pause(found, "stop it first").await?;
    snapshotter.diff.diff(scope, &[], &mounts, layer).await
}

async fn pour(session: &Session, tar: &Descriptor, target: Target) -> Result<()> {
    let reader = session.services.content.reader(&session.scope, &tar.digest).await?;
    let mut pouring = Pouring::into(target);
    let mut at = 0;
    while at < tar.size {
        let bytes = reader.read_at(at, CHUNK).await?;
        if bytes.is_empty() {
            return Err(Error::data_loss(format!("blob {} ended before its size", tar.digest)));
        }
        at += bytes.len() as u64;
        pouring.bytes(bytes).await?;
    }
    pouring.finish().await
}
