//! The image that a container was made of, whatever its name points to by now.

use serde_json::Value;
use varve_core::labels::IMAGE;
use varve_core::oci::Document;
use varve_core::{Descriptor, Digest, Error, MediaType, Platform, Result, ResultExt};

use crate::container::find::Found;
use crate::image::{Documents, Image, Source};
use crate::session::Session;

pub struct Base {
    pub image: Image,
    /// Its config, as it stands in the store.
    pub config: Value,
}

/// NotFound where it is not here any more.
pub async fn find(session: &Session, found: &Found) -> Result<Base> {
    let lost = || {
        let (name, image) = (&found.settings.name, &found.settings.image);
        format!("container {name}: the image {image} that it was made of is not here any more")
    };
    let id: Digest = found.settings.image_id.parse()?;
    let config = session.services.content.reader(&session.scope, &id).await.context(lost)?;
    let config = config.read_all(session.services.bounds.document).await?;
    let config = serde_json::from_slice(&config)
        .map_err(|error| Error::data_loss(format!("config {id}")).with_source(error))?;
    match image(session, found, id).await? {
        Some(image) => Ok(Base { image, config }),
        None => Err(Error::not_found(lost())),
    }
}

/// The manifest, at or below what the name pointed to, that has this config.
async fn image(session: &Session, found: &Found, id: Digest) -> Result<Option<Image>> {
    let (services, scope) = (&session.services, &session.scope);
    let documents = Documents { services, scope, source: Source::Store };
    let Some(target) = target(session, found).await? else { return Ok(None) };
    let children = match target.media_type.is_index() {
        false => vec![target],
        true => {
            let indexes = documents.indexes(&target, &Platform::default()).await?;
            indexes.into_iter().flat_map(|(_, index)| index.manifests).collect()
        }
    };
    for child in children.into_iter().filter(|child| child.media_type.is_manifest()) {
        if services.content.info(scope, &child.digest).await.found()?.is_none() {
            continue;
        }
        let Document::Manifest(manifest) = documents.document(&child).await? else { continue };
        if manifest.config.digest == id {
            return documents.below(Vec::new(), child).await.map(Some);
        }
    }
    Ok(None)
}

/// What the name pointed to when the container was made. A label says its digest; what kind of document that is, a
/// name that still points to it says, or it does itself.
async fn target(session: &Session, found: &Found) -> Result<Option<Descriptor>> {
    let (services, scope) = (&session.services, &session.scope);
    let Some(digest) = found.container.labels.get(IMAGE) else { return Ok(None) };
    let digest: Digest = digest.parse()?;
    let all = services.images.list(scope, &[format!("target.digest=={digest}")]).await?;
    if let Some(named) = all.into_iter().next() {
        return Ok(Some(named.target));
    }
    let Some(info) = services.content.info(scope, &digest).await.found()? else { return Ok(None) };
    let reader = services.content.reader(scope, &digest).await?;
    let bytes = reader.read_all(services.bounds.document).await?;
    let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let kind = match document["mediaType"].as_str() {
        Some(kind) => MediaType::from(kind),
        None if document.get("manifests").is_some() => MediaType::OciIndex,
        None => MediaType::OciManifest,
    };
    Ok(Some(Descriptor::new(kind, digest, info.size)))
}
