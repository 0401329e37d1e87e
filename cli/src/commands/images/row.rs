//! What a list tells of an image.

use std::collections::BTreeMap;

use serde::Serialize;
use varve_core::images::Image as Named;
use varve_core::labels::DANGLING;
use varve_core::{Reference, Result, ResultExt, Timestamp};

use crate::find;
use crate::image::Image;
use crate::services::Snapshotter;
use crate::session::Session;

/// An image, as it is listed.
#[derive(Serialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub name: String,
    /// As Docker shows it; `<none>` for an image that lost its name.
    pub repository: String,
    pub tag: String,
    /// What the name points to.
    pub digest: String,
    pub media_type: String,
    /// The config's digest; none where no platform of it is here.
    pub id: Option<String>,
    pub platform: Option<String>,
    pub created: Option<Timestamp>,
    /// Bytes of the unpacked layers; none where they are not unpacked.
    pub size: Option<u64>,
    /// Bytes of the layers as they were downloaded.
    pub packed_size: Option<u64>,
    pub snapshotter: Option<String>,
    /// The image's own.
    pub labels: BTreeMap<String, String>,
}

impl Row {
    /// It lost its last name.
    pub fn is_dangling(&self) -> bool {
        self.name.starts_with(DANGLING)
    }
}

/// Looks at one image.
pub async fn row(session: &Session, named: Named) -> Result<Row> {
    let (repository, tag) = repository_and_tag(&named.name);
    let mut row = Row {
        repository,
        tag,
        digest: named.target.digest.to_string(),
        media_type: named.target.media_type.to_string(),
        name: named.name.clone(),
        ..Row::default()
    };
    if let Some(image) = find::present(session, &named).await.context(|| named.name.clone())? {
        let unpacked = unpacked(session, &image).await?;
        row.id = Some(image.id().to_string());
        row.platform = Some(image.platform().to_string());
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        row.labels = image.config.labels().map(owned).collect();
        row.created = image.config.created.as_deref().and_then(|time| time.parse().ok());
        row.packed_size = Some(image.layers.iter().map(|layer| layer.blob.size).sum());
        (row.snapshotter, row.size) = unpacked.unzip();
    }
    Ok(row)
}

/// `<none>` where the name is not one that a person gave, or has no tag; beside a digest Docker does
/// not show the tag either.
pub fn repository_and_tag(name: &str) -> (String, String) {
    let none = || "<none>".to_owned();
    match name.parse::<Reference>() {
        Ok(_) if name.starts_with(DANGLING) => (none(), none()),
        Ok(reference) => {
            let tag = reference.tag().filter(|_| reference.digest().is_none());
            (reference.familiar_repository(), tag.map_or_else(none, str::to_owned))
        }
        // Other clients of the store give names that are no references.
        Err(_) => (name.to_owned(), none()),
    }
}

/// Where it is unpacked, as the config's labels tell, and how large it is there.
pub async fn unpacked(session: &Session, image: &Image) -> Result<Option<(String, u64)>> {
    let info = session.services.content.info(&session.scope, &image.id()).await?;
    for snapshotter in session.services.named_by(&info.labels).await? {
        if let Some(size) = size_in(session, &snapshotter, image).await? {
            return Ok(Some((snapshotter.name, size)));
        }
    }
    Ok(None)
}

/// The sum of the layers, or the size of the uppermost where each has the whole tree; `None` where
/// one of them is missing.
async fn size_in(
    session: &Session,
    snapshotter: &Snapshotter,
    image: &Image,
) -> Result<Option<u64>> {
    let first = if snapshotter.copies { image.layers.len().saturating_sub(1) } else { 0 };
    let mut sum = 0_u64;
    for layer in &image.layers[first..] {
        let chain_id = layer.chain_id().to_string();
        let usage = snapshotter.snapshots.usage(&session.scope, &chain_id).await.found()?;
        let Some(usage) = usage else { return Ok(None) };
        sum = sum.saturating_add(usage.size);
    }
    Ok(Some(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_lost_its_name_is_none() {
        let dangling = format!("{DANGLING}sha256:{}", "0".repeat(64));
        assert_eq!(repository_and_tag(&dangling), ("<none>".into(), "<none>".into()));
        for name in ["alpine", "alpine:3"] {
            let by_digest = format!("{name}@sha256:{}", "0".repeat(64));
            assert_eq!(repository_and_tag(&by_digest), ("alpine".into(), "<none>".into()));
        }
    }
}
