//! Damaged blobs, fetched again from where they came: image by image from the top down, since only a
//! document that is sound says what kind of blob another is.

use std::collections::HashSet;

use varve_core::labels;
use varve_core::oci::{Compression, Document};
use varve_core::remotes::Progress;
use varve_core::{Descriptor, Digest, Error, Labels, Mask, MediaType, Reference, Result};
use varve_core::{ResultExt, Scope};

use super::found::Findings;
use super::gallery::{Gallery, Room, Shown, documents};
use crate::image::edges;
use crate::pull::{Lease, Logins};
use crate::push::sources;
use crate::session::Session;

/// Fetches what is damaged in every namespace.
pub async fn blobs(
    session: &Session,
    gallery: &Gallery,
    findings: &mut Findings,
    plain_http: bool,
) -> Result<()> {
    if findings.damaged().is_empty() {
        return Ok(());
    }
    let logins = Logins::load().await?;
    for room in &gallery.rooms {
        let lease = Lease::for_work(&session.services, &room.scope, "repairing blobs").await?;
        let scope = lease.scope(&room.scope);
        let mut mender = Mender { session, room, scope, logins: &logins, plain_http, findings };
        for shown in gallery.images.iter().filter(|shown| shown.scope == room.scope) {
            mender.image(gallery, shown).await?;
        }
        mender.rest().await?;
        lease.release().await?;
    }
    Ok(())
}

/// Works in one namespace.
struct Mender<'a> {
    session: &'a Session,
    room: &'a Room,
    /// Under a lease.
    scope: Scope,
    logins: &'a Logins,
    plain_http: bool,
    findings: &'a mut Findings,
}

impl Mender<'_> {
    async fn image(&mut self, gallery: &Gallery, shown: &Shown) -> Result<()> {
        let mut next = vec![shown.target()];
        let mut seen = HashSet::new();
        while let Some(blob) = next.pop() {
            if !seen.insert(blob.digest) {
                continue;
            }
            self.mend(&blob, Some(shown)).await?;
            if !blob.media_type.is_index() && !blob.media_type.is_manifest() {
                continue;
            }
            match documents(self.session, &self.scope).document(&blob).await {
                Ok(Document::Index(index)) => {
                    let wanted = |child: &Descriptor| {
                        gallery.has(&self.scope.namespace, &child.digest)
                            || self.findings.damaged().contains(&child.digest)
                    };
                    next.extend(index.manifests.into_iter().filter(wanted));
                }
                Ok(Document::Manifest(manifest)) => {
                    next.push(manifest.config);
                    next.extend(manifest.layers);
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// What no image led to: all that is known is its digest, its size, and where it came from.
    async fn rest(&mut self) -> Result<()> {
        for digest in self.findings.damaged() {
            let content = &self.session.services.content;
            let Some(info) = content.info(&self.scope, &digest).await.found()? else { continue };
            for kind in [MediaType::OciLayer(Compression::Gzip), MediaType::OciManifest] {
                self.mend(&Descriptor::new(kind, digest, info.size), None).await?;
            }
        }
        Ok(())
    }

    async fn mend(&mut self, blob: &Descriptor, shown: Option<&Shown>) -> Result<()> {
        if self.findings.of_blob(&self.scope.namespace, &blob.digest).is_empty() {
            return Ok(());
        }
        let outcome = self.fetch(blob, shown).await;
        if outcome.is_ok() {
            self.relabel(blob).await?;
        }
        for found in self.findings.of_blob(&self.scope.namespace, &blob.digest) {
            match &outcome {
                Ok(from) => found.settle(format!("fetched again from {from}")),
                Err(error) => found.left = Some(error.chain()),
            }
        }
        Ok(())
    }

    /// Answers where it came from.
    async fn fetch(&self, blob: &Descriptor, shown: Option<&Shown>) -> Result<String> {
        let mut failure = Error::not_found("it came from no registry: load or import it again");
        for place in self.places(&blob.digest, shown) {
            let reference = match format!("{place}@{}", blob.digest).parse::<Reference>() {
                Ok(reference) => reference,
                Err(_) => continue,
            };
            let mut remote = self.logins.remote(reference, self.plain_http).await?;
            loop {
                let fetcher = &self.session.services.fetcher;
                match fetcher.fetch(&self.scope, &remote, blob, Progress::ignored()).await {
                    Ok(_) => return Ok(place),
                    Err(error) if self.logins.add(&mut remote, &error).await? => {}
                    Err(error) => {
                        failure = error;
                        break;
                    }
                }
            }
        }
        Err(failure)
    }

    /// Repositories that are known to have it; then those that its image is called by.
    fn places(&self, digest: &Digest, shown: Option<&Shown>) -> Vec<String> {
        let own = self.room.blobs.get(digest).map(sources::all).unwrap_or_default();
        let names = shown.into_iter().flat_map(|shown| &shown.names);
        let names = names.filter_map(|named| named.name.parse::<Reference>().ok());
        let names = names.map(|name| format!("{}/{}", name.domain(), name.path()));
        let mut places: Vec<String> = Vec::new();
        // An image that was loaded has a name of a registry where it may never have been: that is asked last.
        for place in own.into_iter().chain(names) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// A document whose record was lost has lost its edges.
    async fn relabel(&self, blob: &Descriptor) -> Result<()> {
        let has_edges =
            |labels: &Labels| labels.keys().any(|key| key.starts_with(labels::GC_REF_CONTENT));
        if self.room.blobs.get(&blob.digest).is_some_and(has_edges) {
            return Ok(());
        }
        if !blob.media_type.is_index() && !blob.media_type.is_manifest() {
            return Ok(());
        }
        let document = documents(self.session, &self.scope).document(blob).await?;
        let labels = edges::of(&document);
        let mask = Mask::labels(labels.keys());
        let content = &self.session.services.content;
        content.update(&self.scope, &blob.digest, &labels, &mask).await.map(drop)
    }
}
