//! The labels of blobs whose records were lost: that an image is unpacked, and where its blobs came from.

use std::collections::HashSet;

use varve_core::labels::{GC_REF_SNAPSHOT, repositories};
use varve_core::{Digest, Reference, Result, ResultExt};

use super::found::Findings;
use super::gallery::{Gallery, Shown};
use crate::image::Image;
use crate::push::sources;
use crate::session::Session;
use crate::unpack;

/// Gives blobs that have a record again what an image's own pull would have given them.
pub async fn restore(session: &Session, before: &Gallery, findings: &Findings) -> Result<()> {
    let bereft = findings.bereft();
    if bereft.is_empty() {
        return Ok(());
    }
    let gallery = Gallery::load(session).await?;
    for (scope, image) in gallery.readable(session).await? {
        if bereft.contains(&image.id()) {
            for snapshotter in &gallery.snapshotters {
                let Some(top) = image.top() else { continue };
                let key = top.to_string();
                if snapshotter.snapshots.stat(&scope, &key).await.found()?.is_some() {
                    unpack::record(session, snapshotter, &scope, &image).await?;
                }
            }
        }
        for shown in before.images.iter().filter(|shown| shown.scope == scope) {
            note_sources(session, &gallery, shown, &image, &bereft).await?;
        }
    }
    Ok(())
}

/// An image whose other blobs came from where its name says has all of them from there.
async fn note_sources(
    session: &Session,
    gallery: &Gallery,
    shown: &Shown,
    image: &Image,
    bereft: &HashSet<Digest>,
) -> Result<()> {
    let mut blobs: Vec<Digest> = image.layers.iter().map(|layer| layer.blob.digest).collect();
    blobs.extend([image.manifest.digest, image.id(), shown.target().digest]);
    let rooms = gallery.rooms.iter().filter(|room| room.scope == shown.scope);
    let known: Vec<_> = rooms.flat_map(|room| &room.blobs).collect();
    for named in &shown.names {
        let Ok(name) = named.name.parse::<Reference>() else { continue };
        let from = |(digest, labels): &&(&Digest, &varve_core::Labels)| {
            blobs.contains(digest) && repositories(labels, name.domain()).contains(&name.path())
        };
        if !known.iter().any(|blob| from(&blob)) {
            continue;
        }
        for digest in blobs.iter().filter(|digest| bereft.contains(digest)) {
            let (host, path) = (name.domain(), name.path());
            sources::note(&session.services, &shown.scope, digest, host, path).await.found()?;
        }
    }
    Ok(())
}

/// The label of a config that its image is unpacked in a snapshotter.
pub fn unpacked_in(snapshotter: &str) -> String {
    format!("{GC_REF_SNAPSHOT}{snapshotter}")
}
