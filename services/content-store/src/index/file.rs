//! The file: its text, and what can be told of it without reading every entry. What it says of itself
//! stands before them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use varve_core::oci::MAX_DOCUMENT;
use varve_core::{Descriptor, Digest, Error, MediaType, Result};

use super::{DERIVED, GENERATION, NAME, REF_NAME};
use crate::layout::{self, Layout};

/// The file as it was read.
pub struct File {
    text: String,
    /// Where in the text each entry is.
    entries: Vec<Range<usize>>,
    generation: Option<u64>,
    derived: HashSet<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw<T> {
    schema_version: u32,
    media_type: MediaType,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    manifests: Vec<T>,
}

/// What the file says of itself.
pub struct Head {
    pub generation: u64,
    /// How many of its entries have a blob that is there for them alone.
    pub derived: usize,
}

impl Head {
    /// Reads no entry. `None` where it is missing, or does not say: then it is not ours, or from before it did.
    pub fn read(layout: &Layout) -> Option<Self> {
        const MOST: u64 = 512;
        let file = layout::open_plain(&layout.index()).ok()?;
        if !is_closed(&file) {
            return None;
        }
        let mut text = Vec::new();
        file.take(MOST).read_to_end(&mut text).ok()?;
        // An entry may be cut in the middle of a letter.
        let text = String::from_utf8_lossy(&text);
        let (head, _) = text.split_once(ENTRIES)?;
        let head = format!("{head}{ENTRIES}]}}");
        let head = parse(&head)?;
        let number = |key| head.annotations.get(key)?.parse::<u64>().ok();
        Some(Self { generation: number(GENERATION)?, derived: number(ENTRIES_DERIVED)? as usize })
    }
}

/// Whether the file ends as it is written: one that was cut off does not.
fn is_closed(file: &fs::File) -> bool {
    let mut end = [0; 2];
    let at = file.metadata().ok().and_then(|facts| facts.len().checked_sub(end.len() as u64));
    at.is_some_and(|at| file.read_exact_at(&mut end, at).is_ok()) && end == *b"]}"
}

/// Where they begin.
const ENTRIES: &str = "\"manifests\":[";
/// The annotation with [`Head::derived`].
const ENTRIES_DERIVED: &str = "varve.derivations";

/// An entry that is read no further than it must.
type Entry<'a> = &'a RawValue;

impl File {
    /// `None` where it is missing or no index.
    pub fn read(layout: &Layout) -> Option<Self> {
        let path = layout.index();
        // Not limited to a document's size: it grows with the number of images, and is our own.
        let facts = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
        if facts.len() > 64 * MAX_DOCUMENT {
            return None;
        }
        let text = fs::read_to_string(&path).ok()?;
        let raw = parse(&text)?;
        let generation = raw.annotations.get(GENERATION).and_then(|text| text.parse().ok());
        let begin = |entry: Entry<'_>| entry.get().as_ptr().addr() - text.as_ptr().addr();
        let place = |entry: Entry<'_>| begin(entry)..begin(entry) + entry.get().len();
        let entries: Vec<_> = raw.manifests.into_iter().map(place).collect();
        let mut derived = HashSet::new();
        for place in those_with(&text, &entries, &format!("{DERIVED:?}")) {
            derived.extend(digest_if_derived(&serde_json::from_str(&text[place]).ok()?));
        }
        Some(Self { text, entries, generation, derived })
    }

    /// What it was made from; `None` where it does not say, and so is not ours.
    pub fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// The blobs that are there for this file alone.
    pub fn derived(&self) -> &HashSet<Digest> {
        &self.derived
    }

    /// Its entries; those that are no descriptors are left out.
    pub fn manifests(&self) -> Vec<Descriptor> {
        let entries = self.entries.iter().cloned().map(|place| &self.text[place]);
        entries.filter_map(|entry| serde_json::from_str(entry).ok()).collect()
    }

    /// Puts `new` in the place of the entries of the images in `names`, and answers the blobs that
    /// the file has for itself then.
    pub fn patch(
        self,
        layout: &Layout,
        generation: u64,
        names: &[String],
        new: &[Descriptor],
    ) -> Result<HashSet<Digest>> {
        let mut derived = self.derived.clone();
        let mut gone = HashSet::new();
        for name in names {
            let quoted = serde_json::to_string(name).map_err(unwritten)?;
            for place in those_with(&self.text, &self.entries, &quoted) {
                let Some(entry) = one_of(&self.text[place.clone()], names) else { continue };
                gone.insert(place.start);
                digest_if_derived(&entry).map(|digest| derived.remove(&digest));
            }
        }
        let kept = self.entries.iter().filter(|place| !gone.contains(&place.start));
        let kept = kept.map(|place| serde_json::from_str::<Entry<'_>>(&self.text[place.clone()]));
        let mut kept = kept.collect::<Result<Vec<_>, _>>().map_err(unwritten)?;
        // Docker's manifest under two names has one that was derived from it.
        let twice: Vec<Digest> =
            self.derived.difference(&derived).filter(|it| shows(&kept, it)).copied().collect();
        derived.extend(twice);
        derived.extend(new.iter().filter_map(digest_if_derived));
        let new = new.iter().map(serde_json::value::to_raw_value);
        let new = new.collect::<Result<Vec<_>, _>>().map_err(unwritten)?;
        kept.extend(new.iter().map(|entry| &**entry));
        replace(layout, generation, derived.len(), kept)?;
        Ok(derived)
    }
}

/// Writes a file of these entries; answers the blobs that it has for itself.
pub fn write(
    layout: &Layout,
    generation: u64,
    entries: Vec<Descriptor>,
) -> Result<HashSet<Digest>> {
    let derived: HashSet<Digest> = entries.iter().filter_map(digest_if_derived).collect();
    replace(layout, generation, derived.len(), entries)?;
    Ok(derived)
}

fn replace<T: Serialize>(
    layout: &Layout,
    generation: u64,
    derived: usize,
    manifests: Vec<T>,
) -> Result<()> {
    let annotations = BTreeMap::from([
        (GENERATION.to_owned(), generation.to_string()),
        (ENTRIES_DERIVED.to_owned(), derived.to_string()),
    ]);
    let raw = Raw { schema_version: 2, media_type: MediaType::OciIndex, annotations, manifests };
    layout::replace(&layout.index(), &serde_json::to_vec(&raw).map_err(unwritten)?)
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::internal("index.json cannot be written").with_source(error)
}

fn parse(text: &str) -> Option<Raw<Entry<'_>>> {
    serde_json::from_str(text).ok()
}

fn digest_if_derived(entry: &Descriptor) -> Option<Digest> {
    entry.annotations.contains_key(DERIVED).then_some(entry.digest)
}

fn shows(entries: &[Entry<'_>], digest: &Digest) -> bool {
    let digest = digest.to_string();
    entries.iter().any(|entry| entry.get().contains(&digest))
}

/// The entries that contain `what`, which is looked for once, and not in each.
fn those_with<'a>(
    text: &str,
    entries: &'a [Range<usize>],
    what: &str,
) -> impl Iterator<Item = Range<usize>> + use<'a> {
    let mut found: Vec<usize> = text
        .match_indices(what)
        .map(|(at, _)| entries.partition_point(|place| place.end <= at))
        .collect();
    found.dedup();
    // One that stands before the entries, or between them, is in none.
    found.into_iter().filter_map(|n| entries.get(n).cloned())
}

/// The entry, read, where it is of one of these images.
fn one_of(entry: &str, names: &[String]) -> Option<Descriptor> {
    let entry: Descriptor = serde_json::from_str(entry).ok()?;
    let name = entry.annotations.get(NAME).or_else(|| entry.annotations.get(REF_NAME))?;
    names.contains(name).then_some(entry)
}
