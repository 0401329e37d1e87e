//! The images of all namespaces, and what their documents say.

use std::collections::{HashMap, HashSet};

use varve_core::fsck::Fault;
use varve_core::images::Image as Named;
use varve_core::oci::{Document, Index};
use varve_core::{Descriptor, Digest, Labels, Namespace, Platform, Result, ResultExt, Scope};

use super::found::{Findings, Found};
use crate::image::{self, Documents, Image, Source};
use crate::services::Snapshotter;
use crate::session::Session;
use crate::usage::by_image;

/// One image of one namespace.
pub struct Shown {
    pub scope: Scope,
    pub names: Vec<Named>,
}

/// A namespace's blobs.
pub struct Room {
    pub scope: Scope,
    pub blobs: HashMap<Digest, Labels>,
}

/// What there is.
pub struct Gallery {
    pub rooms: Vec<Room>,
    pub images: Vec<Shown>,
    pub snapshotters: Vec<Snapshotter>,
}

impl Gallery {
    pub async fn load(session: &Session) -> Result<Self> {
        let services = &session.services;
        let listed = services.namespaces.list().await?.into_iter().map(|(name, _)| name);
        let mut namespaces: Vec<Namespace> = listed.collect();
        if !namespaces.contains(&session.scope.namespace) {
            namespaces.push(session.scope.namespace.clone());
        }
        let (mut rooms, mut images) = (Vec::new(), Vec::new());
        for namespace in namespaces {
            let scope = Scope::of(namespace);
            let blobs = services.content.list(&scope, &[]).await?;
            let blobs = blobs.into_iter().map(|info| (info.digest, info.labels)).collect();
            let named = by_image(services.images.list(&scope, &[]).await?).into_values();
            images.extend(named.map(|names| Shown { scope: scope.clone(), names }));
            rooms.push(Room { scope, blobs });
        }
        Ok(Self { rooms, images, snapshotters: services.used_snapshotters().await? })
    }

    /// Whether a namespace has a record of the blob.
    pub fn has(&self, namespace: &Namespace, digest: &Digest) -> bool {
        let mut rooms = self.rooms.iter().filter(|room| room.scope.namespace == *namespace);
        rooms.any(|room| room.blobs.contains_key(digest))
    }

    /// The images whose documents can be read, one for each platform that is here.
    pub async fn readable(&self, session: &Session) -> Result<Vec<(Scope, Image)>> {
        let mut readable = Vec::new();
        for shown in &self.images {
            for manifest in self.manifests(session, shown).await {
                let documents = documents(session, &shown.scope);
                if let Ok(image) = documents.below(Vec::new(), manifest).await {
                    readable.push((shown.scope.clone(), image));
                }
            }
        }
        Ok(readable)
    }

    /// The manifests of an image that are here. What cannot be read has none: that is told elsewhere.
    async fn manifests(&self, session: &Session, shown: &Shown) -> Vec<Descriptor> {
        let target = shown.target();
        if target.media_type.is_manifest() {
            return vec![target];
        }
        let indexes = self.indexes(session, shown).await;
        let children = indexes.into_iter().flat_map(|(_, index)| index.manifests);
        let here = |child: &Descriptor| {
            child.media_type.is_manifest() && self.has(&shown.scope.namespace, &child.digest)
        };
        children.filter(here).collect()
    }

    /// Its indexes that can be read.
    async fn indexes(&self, session: &Session, shown: &Shown) -> Vec<(Descriptor, Index)> {
        let documents = documents(session, &shown.scope);
        let mut indexes: Vec<(Descriptor, Index)> = Vec::new();
        let mut seen = HashSet::new();
        let mut next = vec![shown.target()];
        while let Some(descriptor) = next.pop() {
            if !seen.insert(descriptor.digest) {
                continue;
            }
            if let Ok(Document::Index(index)) = documents.document(&descriptor).await {
                let below = index.manifests.iter().filter(|child| child.media_type.is_index());
                next.extend(below.cloned());
                indexes.push((descriptor, index));
            }
        }
        indexes
    }

    /// An image of which no platform is here misses that of this machine: no record says which was.
    pub async fn missing_manifests(
        &self,
        session: &Session,
        findings: &mut Findings,
    ) -> Result<()> {
        for shown in &self.images {
            let indexes = self.indexes(session, shown).await;
            if indexes.is_empty() || !self.manifests(session, shown).await.is_empty() {
                continue;
            }
            let Ok(missing) = image::choose(&indexes, &Platform::host()) else { continue };
            if findings.knows(&missing.digest) {
                continue;
            }
            let name = &shown.names[0];
            let now = session.services.images.get(&shown.scope, &name.name).await.found()?;
            if now.is_some_and(|now| now.target.digest == name.target.digest) {
                findings.add(Found {
                    kind: Fault::Missing,
                    noun: missing.digest.to_string(),
                    snapshotter: None,
                    namespace: Some(shown.scope.namespace.clone()),
                    what: "it is not here, and neither is another platform of its image".into(),
                    needed_by: Vec::new(),
                    done: None,
                    left: None,
                });
            }
        }
        Ok(())
    }
}

impl Shown {
    pub fn target(&self) -> Descriptor {
        self.names[0].target.clone()
    }
}

/// Documents of one namespace, from the store alone.
pub fn documents<'a>(session: &'a Session, scope: &'a Scope) -> Documents<'a> {
    Documents { services: &session.services, scope, source: Source::Store }
}
