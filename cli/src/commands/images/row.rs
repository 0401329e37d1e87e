//! What a list tells of an image.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use varve_core::images::Image as Named;
use varve_core::{Digest, Reference, Result, Timestamp};

use crate::session::Session;
use crate::survey::{self, Seen};
use crate::usage::is_dangling;

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
    fn new(seen: Option<&Seen>, named: Named) -> Self {
        let (repository, tag) = repository_and_tag(&named.name);
        let named = Self {
            repository,
            tag,
            digest: named.target.digest.to_string(),
            media_type: named.target.media_type.to_string(),
            name: named.name,
            ..Self::default()
        };
        let Some(seen) = seen else { return named };
        Self {
            id: Some(seen.id.to_string()),
            platform: Some(seen.platform.clone()),
            created: seen.created,
            size: seen.tree.as_ref().map(|tree| tree.size),
            packed_size: Some(seen.packed_size),
            snapshotter: seen.tree.as_ref().map(|tree| tree.snapshotter.clone()),
            labels: seen.labels.clone(),
            ..named
        }
    }

    /// It lost its last name.
    pub fn is_dangling(&self) -> bool {
        is_dangling(&self.name)
    }
}

/// A row of each name that there is.
pub async fn all(session: &Session) -> Result<Vec<Row>> {
    let (all, seen) = survey::all(session).await?;
    Ok(of(all, &seen))
}

/// A row of each of these names.
pub async fn rows(session: &Session, all: Vec<Named>) -> Result<Vec<Row>> {
    let seen = survey::images(session, &all).await?;
    Ok(of(all, &seen))
}

fn of(all: Vec<Named>, seen: &HashMap<Digest, Arc<Seen>>) -> Vec<Row> {
    let row = |named: Named| Row::new(seen.get(&named.target.digest).map(|seen| &**seen), named);
    all.into_iter().map(row).collect()
}

/// `<none>` where the name is not one that a person gave, or has no tag; beside a digest Docker does
/// not show the tag either.
pub fn repository_and_tag(name: &str) -> (String, String) {
    let none = || "<none>".to_owned();
    match name.parse::<Reference>() {
        Ok(_) if is_dangling(name) => (none(), none()),
        Ok(reference) => {
            let tag = reference.tag().filter(|_| reference.digest().is_none());
            (reference.familiar_repository(), tag.map_or_else(none, str::to_owned))
        }
        // Other clients of the store give names that are no references.
        Err(_) => (name.to_owned(), none()),
    }
}

#[cfg(test)]
mod tests {
    use varve_core::labels::DANGLING;

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
