//! The end of a pull: the name, and the labels that are the edges of containerd's graph.

use varve_core::images::{Image as Named, Record};
use varve_core::labels::{DISTRIBUTION_SOURCE, GC_REF_SNAPSHOT, MAX_LABEL, UNCOMPRESSED};
use varve_core::{Descriptor, Digest, Labels, Reference, Result, ResultExt, Scope};

use super::Wish;
use super::layers::Brought;
use crate::image::{Image, edges};
use crate::push::sources::joined;
use crate::services::{Services, Snapshotter};

/// Records the image in one transaction, and answers what the name was before.
pub async fn record(
    services: &Services,
    scope: &Scope,
    wish: &Wish,
    target: &Descriptor,
    image: &Image,
    brought: &[Brought],
) -> Result<Option<Named>> {
    let name = wish.remote.reference.to_string();
    let mut content_labels = edges(image, wish.snapshotter.as_ref());
    content_labels.extend(diff_ids(brought));
    for digest in blobs(image) {
        let labels = source(services, scope, &wish.remote.reference, &digest).await?;
        content_labels.push((digest, labels));
    }
    let target = Descriptor::new(target.media_type.clone(), target.digest, target.size);
    let record = Record { name: name.clone(), target, content_labels };
    services.images.record(scope, record).await.context(|| format!("recording {name}"))
}

/// Whether an earlier pull has recorded the same: this platform, in this snapshotter.
pub async fn is_recorded(
    services: &Services,
    scope: &Scope,
    wish: &Wish,
    image: &Image,
) -> Result<bool> {
    for (digest, labels) in edges(image, wish.snapshotter.as_ref()) {
        let Some(info) = services.content.info(scope, &digest).await.found()? else {
            return Ok(false);
        };
        if labels.iter().any(|(key, value)| info.labels.get(key) != Some(value)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What refers to what: indexes to all their children, the manifest to config and layers, the config
/// to the snapshot.
fn edges(image: &Image, snapshotter: Option<&Snapshotter>) -> Vec<(Digest, Labels)> {
    let indexes = image.indexes.iter();
    let mut all: Vec<_> =
        indexes.map(|(descriptor, index)| (descriptor.digest, edges::of_index(index))).collect();
    all.push((image.manifest.digest, edges::of_manifest(&image.document)));
    if let (Some(snapshotter), Some(top)) = (snapshotter, image.top()) {
        let key = format!("{GC_REF_SNAPSHOT}{}", snapshotter.name);
        all.push((image.id(), Labels::from([(key, top.to_string())])));
    }
    all
}

/// The diff ids that this pull has seen the layers inflate to.
fn diff_ids(brought: &[Brought]) -> impl Iterator<Item = (Digest, Labels)> {
    let seen = brought.iter().filter(|b| b.unpacked.as_ref().is_some_and(|it| !it.reused));
    seen.map(|brought| {
        let label = (UNCOMPRESSED.to_owned(), brought.layer.diff_id.to_string());
        (brought.layer.blob.digest, Labels::from([label]))
    })
}

fn blobs(image: &Image) -> Vec<Digest> {
    let indexes = image.indexes.iter().map(|(descriptor, _)| descriptor.digest);
    let layers = image.layers.iter().map(|layer| layer.blob.digest);
    let mut all: Vec<_> =
        indexes.chain([image.manifest.digest, image.id()]).chain(layers).collect();
    all.sort();
    all.dedup();
    all
}

/// Where the blob came from: repositories of one host, comma-separated and sorted, as containerd
/// keeps them for mounting blobs across repositories at a push.
async fn source(
    services: &Services,
    scope: &Scope,
    reference: &Reference,
    digest: &Digest,
) -> Result<Labels> {
    let key = format!("{DISTRIBUTION_SOURCE}{}", reference.domain());
    let info = services.content.info(scope, digest).await?;
    let value = joined(info.labels.get(&key).map_or("", String::as_str), reference.path());
    let fits = key.len() + value.len() <= MAX_LABEL;
    Ok(if fits { Labels::from([(key, value)]) } else { Labels::new() })
}
