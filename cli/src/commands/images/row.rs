//! What a list tells of an image.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Serialize, Serializer};
use varve_core::images::Image as Named;
use varve_core::{Descriptor, Digest, Reference, Result, Timestamp};

use crate::session::Session;
use crate::survey::{self, Seen};
use crate::usage::is_dangling;

/// An image, as it is listed: ten thousand of them share what was seen, and copy nothing of it.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    /// As Docker shows it; `<none>` for an image that lost its name.
    pub repository: String,
    pub tag: String,
    pub target: Descriptor,
    /// None where no platform of it is here.
    seen: Option<Arc<Seen>>,
}

impl Row {
    pub fn new(seen: Option<Arc<Seen>>, named: Named) -> Self {
        let (repository, tag) = repository_and_tag(&named.name);
        Self { name: named.name, repository, tag, target: named.target, seen }
    }

    /// The config's digest.
    pub fn id(&self) -> Option<Digest> {
        self.seen.as_ref().map(|seen| seen.id)
    }

    pub fn platform(&self) -> Option<&str> {
        self.seen.as_ref().map(|seen| &*seen.platform)
    }

    pub fn created(&self) -> Option<Timestamp> {
        self.seen.as_ref()?.created
    }

    /// Bytes of the unpacked layers; none where they are not unpacked.
    pub fn size(&self) -> Option<u64> {
        Some(self.seen.as_ref()?.tree.as_ref()?.size)
    }

    /// Bytes of the layers as they were downloaded.
    pub fn packed_size(&self) -> Option<u64> {
        self.seen.as_ref().map(|seen| seen.packed_size)
    }

    /// What the image itself says of a key.
    pub fn label(&self, key: &str) -> Option<&String> {
        self.seen.as_ref()?.labels.get(key)
    }

    /// It lost its last name.
    pub fn is_dangling(&self) -> bool {
        is_dangling(&self.name)
    }
}

/// What programs are told of a row.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    name: &'a str,
    repository: &'a str,
    tag: &'a str,
    digest: Digest,
    media_type: &'a str,
    id: Option<Digest>,
    platform: Option<&'a str>,
    created: Option<Timestamp>,
    size: Option<u64>,
    packed_size: Option<u64>,
    snapshotter: Option<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let seen = self.seen.as_deref();
        let labels = seen.map(|seen| seen.labels.iter().map(|(key, value)| (&**key, &**value)));
        let told = Told {
            name: &self.name,
            repository: &self.repository,
            tag: &self.tag,
            digest: self.target.digest,
            media_type: self.target.media_type.as_str(),
            id: self.id(),
            platform: self.platform(),
            created: self.created(),
            size: self.size(),
            packed_size: self.packed_size(),
            snapshotter: seen.and_then(|seen| Some(&*seen.tree.as_ref()?.snapshotter)),
            labels: labels.into_iter().flatten().collect(),
        };
        told.serialize(to)
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
    let row = |named: Named| Row::new(seen.get(&named.target.digest).cloned(), named);
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

/// What tests list.
#[cfg(test)]
pub mod example {
    use varve_core::MediaType;

    use super::*;

    pub fn named(name: &str) -> Named {
        let target = Descriptor::new(MediaType::OciManifest, Digest::of(name.as_bytes()), 1);
        let now = varve_core::time::now();
        let labels = varve_core::Labels::new();
        Named { name: name.into(), target, labels, created_at: now, updated_at: now }
    }

    pub fn seen() -> Seen {
        Seen {
            id: Digest::of(b"config"),
            platform: "linux/amd64".into(),
            created: None,
            labels: BTreeMap::new(),
            packed_size: 7,
            layers: Vec::new(),
            tree: None,
        }
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
