//! After lib/meta has lost records: derives again what can be derived.
//!
//! lib/meta restores the export; what happened since is in the files. Every blob without a record
//! becomes content of the default namespace (its name is its digest: it is hashed first, and what
//! does not match is no blob); indexes and manifests give the labels of their edges; the stored
//! edges are made to follow the records; `index.json` gives the images that are missing, and, where
//! it is newer than the records, what their names point to.
//! Then nothing is collected for a day, in which a person can look.

use std::collections::{BTreeSet, HashSet};
use std::sync::PoisonError;
use std::time::Duration;

use varve_core::images::{Image, Record};
use varve_core::oci::{Bounds, Document};
use varve_core::{Descriptor, Digest, Error, Labels, MediaType, Namespace, Result, Timestamp};
use varve_meta::Recovery;

use crate::collect::recount;
use crate::index::{self, Entries, File, Head};
use crate::ingest::channel::rehash;
use crate::ingest::commit::insert;
use crate::records::values::Seal;
use crate::records::{Change, Noun, Sort, View, noun, values};
use crate::store::Store;

const QUIET: &[u8] = b"quiet/until";

/// A blob without a record, and what it says of itself.
pub struct Found {
    digest: Digest,
    seal: Seal,
    labels: Labels,
}

impl Store {
    /// When collections may begin again, after a rebuild.
    pub async fn quiet_until(&self) -> Result<Option<Timestamp>> {
        let text = self.records.read(|db| db.get(QUIET)).await?;
        Ok(text.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()))
    }

    /// Rebuilds where the database was lost, or is new beside blobs that are not, or is older than
    /// `index.json`, which is always written after it. Blocks.
    pub fn rebuild_if_lost(&self, recovery: &Recovery) -> Result<()> {
        let head = Head::read(&self.layout).map(|head| head.generation);
        let shown = || File::read(&self.layout);
        let generation = head.or_else(|| shown()?.generation()).unwrap_or(0);
        let older = generation > index::generation_of(self.records.db())?;
        let bereft = *recovery == Recovery::Created && !self.layout.list_blobs()?.is_empty();
        if !older && !bereft && !recovery.must_rebuild() {
            return Ok(());
        }
        tracing::warn!(dir = %self.config.dir.display(), ?recovery, "rebuilding the metadata");
        *self.rebuilt.lock().unwrap_or_else(PoisonError::into_inner) = Some(told(recovery));
        let shown = shown();
        let derived = shown.as_ref().map(|file| file.derived().clone()).unwrap_or_default();
        let found = self.unrecorded(&derived)?;
        let manifests = shown.map(|file| file.manifests()).unwrap_or_default();
        self.rebuild(found, manifests, generation)?;
        self.records.db().rebuilt()
    }

    fn rebuild(&self, found: Vec<Found>, shown: Vec<Descriptor>, generation: u64) -> Result<()> {
        let lost = self.without_file()?;
        let quiet = self.config.quiet_after_rebuild;
        self.records.write_blocking(move |change| {
            for (namespace, digest) in &lost {
                crate::content::remove(change, namespace, digest)?;
            }
            let namespace = Namespace::default();
            found.iter().try_for_each(|blob| adopt(change, &namespace, blob))?;
            repair_edges(change)?;
            let newer = index::overtake(change, generation)?;
            let mut images = shown.into_iter().filter_map(shown_image);
            images.try_for_each(|image| restore(change, &image, newer))?;
            index::bump(change, &Namespace::default(), Entries::All)?;
            change.put(QUIET, until(quiet)?.to_string().into_bytes())
        })
    }

    /// Records that came back although their blobs were removed.
    fn without_file(&self) -> Result<Vec<(Namespace, Digest)>> {
        let mut lost = Vec::new();
        for (noun, stored) in noun::list_all(self.records.db(), Sort::Content)? {
            let Ok(digest) = noun.name.parse() else { continue };
            let value: values::Content = values::decode(&noun, &stored.value)?;
            if self.layout.blob_size(&digest) != Some(value.size) {
                lost.push((noun.namespace, digest));
            }
        }
        Ok(lost)
    }

    /// The blobs that no namespace has a record of, but those made for `index.json`. What does not hash to its name is left alone:
    /// without a record it cannot be read, and a collection removes it.
    fn unrecorded(&self, derived: &HashSet<Digest>) -> Result<Vec<Found>> {
        let mut found = Vec::new();
        for digest in self.layout.list_blobs()? {
            let holders = crate::records::edges::holder_prefix(&digest);
            if !derived.contains(&digest) && self.records.db().scan(&holders)?.is_empty() {
                found.extend(self.examine(digest)?);
            }
        }
        Ok(found)
    }

    /// What a file without a record is; `None` where its bytes are not those of its name. Blocks.
    pub fn examine(&self, digest: Digest) -> Result<Option<Found>> {
        let Some(size) = self.layout.blob_size(&digest) else { return Ok(None) };
        let mut file = self.layout.open_blob(&digest, size)?;
        let path = self.layout.blob(&digest);
        let hasher = rehash(&mut file).map_err(|error| crate::layout::at(&path, error))?;
        if hasher.digest() != digest {
            tracing::warn!(%digest, "a blob's file is damaged, and is not a blob");
            return Ok(None);
        }
        let facts = file.metadata().map_err(|error| crate::layout::at(&path, error))?;
        let labels = match size <= self.layout.images.document {
            true => self.implied_labels(&digest),
            false => Labels::new(),
        };
        Ok(Some(Found { digest, seal: Seal::of(&facts), labels }))
    }

    /// The edges of a blob that is an index or a manifest, as a pull labels them.
    fn implied_labels(&self, digest: &Digest) -> Labels {
        let bytes = std::fs::read(self.layout.blob(digest)).unwrap_or_default();
        match parse(&bytes, &self.layout.images) {
            Some(document) => edge_labels(&document),
            None => Labels::new(),
        }
    }
}

/// What was lost, for people.
fn told(recovery: &Recovery) -> String {
    match recovery {
        Recovery::Behind { commits } => {
            format!("the last {commits} changes of the records were lost")
        }
        Recovery::Restored { from_export: true, records } => {
            format!("the records were damaged: {records} came back from their export")
        }
        Recovery::Created | Recovery::Restored { .. } => "the records were lost".into(),
        _ => "the records were older than index.json".into(),
    }
}

fn until(quiet: Duration) -> Result<Timestamp> {
    let far = |error| Error::invalid("quiet_after_rebuild is too long").with_source(error);
    varve_core::time::now().checked_add(quiet).map_err(far)
}

/// A document is what it says it is, or what its shape says.
fn parse(bytes: &[u8], bounds: &Bounds) -> Option<Document> {
    let kinds = [
        MediaType::OciManifest,
        MediaType::OciIndex,
        MediaType::DockerManifest,
        MediaType::DockerList,
    ];
    kinds.iter().find_map(|kind| Document::parse(kind, bytes, bounds).ok())
}

/// containerd's names: `gc.ref.content.m.N` for an index's manifests, `.config` and `.l.N` for a
/// manifest's config and layers.
fn edge_labels(document: &Document) -> Labels {
    let prefix = varve_core::labels::GC_REF_CONTENT;
    let numbered = |kind: char, all: &[Descriptor]| -> Labels {
        let all = all.iter().enumerate();
        all.map(|(n, one)| (format!("{prefix}.{kind}.{n}"), one.digest.to_string())).collect()
    };
    match document {
        Document::Index(index) => numbered('m', &index.manifests),
        Document::Manifest(manifest) => {
            let mut labels = numbered('l', &manifest.layers);
            labels.insert(format!("{prefix}.config"), manifest.config.digest.to_string());
            labels
        }
    }
}

fn shown_image(mut entry: Descriptor) -> Option<Image> {
    let name = entry.annotations.remove(index::REF_NAME)?;
    let name = entry.annotations.remove(index::NAME).unwrap_or(name);
    let target = match entry.annotations.remove(index::TARGET) {
        Some(target) => serde_json::from_str(&target).ok()?,
        None => entry,
    };
    noun::check_name("image", &name).ok()?;
    Some(Image::new(name, target))
}

/// Records a blob in a namespace that has no record of it.
pub fn adopt(change: &mut Change<'_>, namespace: &Namespace, blob: &Found) -> Result<()> {
    let noun = Noun::content(namespace, &blob.digest);
    if change.has(&noun.key())? {
        return Ok(());
    }
    insert(change, &noun, &blob.digest, blob.seal, blob.labels.clone())
}

/// Restores an image that has no record, or, where `index.json` is `newer` than the records, an
/// older one; its target must be here.
fn restore(change: &mut Change<'_>, image: &Image, newer: bool) -> Result<()> {
    let namespace = Namespace::default();
    let noun = Noun::new(Sort::Image, &namespace, image.name.as_str());
    let target = Noun::content(&namespace, &image.target.digest);
    if !change.has(&target.key())? || (change.has(&noun.key())? && !newer) {
        return Ok(());
    }
    let name = image.name.clone();
    let record = Record { name, target: image.target.clone(), content_labels: Vec::new() };
    crate::images::record(change, &noun, &record).map(drop)
}

/// Makes the stored edges be what the records imply.
pub fn repair_edges(change: &mut Change<'_>) -> Result<()> {
    let mut implied = BTreeSet::new();
    for sort in Sort::ALL {
        for (noun, stored) in noun::list_all(change, sort)? {
            implied.extend(recount::keys(&noun, &stored));
        }
    }
    for prefix in [b"edge/".as_slice(), b"holder/"] {
        for (key, _) in change.scan(prefix)? {
            if !implied.contains(&key) {
                change.delete(&key)?;
            }
        }
    }
    implied.iter().try_for_each(|key| change.put(key, Vec::new()))
}
