//! The documents of an image, from its target down: read from the shelf or the store, and stored.

use std::collections::HashSet;

use varve_core::oci::{Document, Manifest};
use varve_core::{Descriptor, Error, Result, ResultExt};

use super::bring::Bring;

/// Documents of an image that are here now.
#[derive(Default)]
pub struct Tree {
    /// Each once, the target first.
    pub documents: Vec<(Descriptor, Document)>,
}

impl Tree {
    pub fn manifests(&self) -> impl Iterator<Item = (&Descriptor, &Manifest)> {
        self.documents.iter().filter_map(|(descriptor, document)| match document {
            Document::Manifest(manifest) => Some((descriptor, manifest)),
            Document::Index(_) => None,
        })
    }
}

/// Brings all documents that are there. Of an index, platforms may be missing; the target may not.
pub async fn documents(bring: &Bring<'_>, target: &Descriptor) -> Result<Tree> {
    let (mut tree, mut seen) = (Tree::default(), HashSet::from([target.digest]));
    let mut level = vec![target.clone()];
    let bounds = &bring.session.services.bounds;
    while !level.is_empty() {
        let mut below = Vec::new();
        for descriptor in level {
            let Some(document) = document(bring, &descriptor).await? else { continue };
            let children = document.children().into_iter();
            let documents = children.filter(|child| is_document(child)).cloned();
            below.extend(documents.filter(|child| seen.insert(child.digest)));
            tree.documents.push((descriptor, document));
            bounds.check_documents(seen.len())?;
        }
        level = below;
    }
    match tree.documents.is_empty() {
        true => Err(super::bring::missing(target)),
        false => Ok(tree),
    }
}

fn is_document(descriptor: &Descriptor) -> bool {
    descriptor.media_type.is_index() || descriptor.media_type.is_manifest()
}

/// `None` where it is neither in the archive nor in the store.
async fn document(bring: &Bring<'_>, descriptor: &Descriptor) -> Result<Option<Document>> {
    let (kind, digest) = (&descriptor.media_type, descriptor.digest);
    let noun = || format!("{kind} {digest}");
    if !is_document(descriptor) {
        return Err(Error::invalid(format!("{}: is no image", noun())));
    }
    let bounds = &bring.session.services.bounds;
    bounds.check_size(descriptor.size).context(noun)?;
    if !bring.blob(descriptor).await.context(noun)? {
        return Ok(None);
    }
    let content = bring.intake.content();
    let reader = content.reader(bring.intake.scope(), &digest).await?;
    let bytes = reader.read_all(bounds.document).await.context(noun)?;
    Document::parse(kind, &bytes, bounds).context(noun).map(Some)
}
