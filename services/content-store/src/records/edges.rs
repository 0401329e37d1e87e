//! Edges: who refers to what.
//!
//! [`outgoing`] says what a noun's records refer to; the stored edges, the recount and the mark are
//! all made from it and so cannot disagree on what an edge is. Each is stored, as one record:
//!
//! ```text
//! edge/<namespace>/<digest>/<sort>\0<owner>\0<label>
//! edge/<namespace>/snapshots/<snapshotter>\0<key>\0<sort>\0<owner>\0<label>
//! ```
//!
//! The number of those under a digest is its reference count.

use varve_core::labels::{GC_REF_CONTENT, GC_REF_SNAPSHOT, GC_ROOT};
use varve_core::leases::Resource;
use varve_core::{Digest, Namespace, Result};

use super::noun::{Noun, Sort, Stored, short};
use super::{Change, View, values};

/// What of a snapshot's edge is longer is stored under its hash: five of these make a key.
const BRIEF: usize = 128;

/// That the edges to snapshots are stored, too, as they once were not.
const COMPLETE: &[u8] = b"edges/snapshots";

/// What an edge leads to, in its owner's namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Target {
    Content(Digest),
    Snapshot { snapshotter: String, key: String },
}

impl Target {
    pub fn snapshot(snapshotter: &str, key: &str) -> Self {
        Self::Snapshot { snapshotter: snapshotter.into(), key: key.into() }
    }

    /// What a label refers to, if it is one that refers.
    pub fn of_label(label: &str, value: &str) -> Option<Self> {
        if let Some(rest) = label.strip_prefix(GC_REF_CONTENT) {
            let edge = rest.is_empty() || rest.starts_with(['.', '/']);
            return edge.then(|| value.parse().ok().map(Self::Content)).flatten();
        }
        let rest = label.strip_prefix(GC_REF_SNAPSHOT)?;
        let snapshotter = rest.split('/').next().filter(|name| !name.is_empty())?;
        (!value.is_empty()).then(|| Self::snapshot(snapshotter, value))
    }

    /// What a lease's resource is; `None` for ingests.
    pub fn of_resource(resource: &Resource) -> Option<Self> {
        if resource.kind == "content" {
            return resource.id.parse().ok().map(Self::Content);
        }
        let snapshotter = resource.kind.strip_prefix("snapshots/")?;
        Some(Self::snapshot(snapshotter, &resource.id))
    }
}

/// An edge, with what tells it from its owner's others: a label's key, or nothing.
type Outgoing = Vec<(String, Target)>;

/// All that a noun refers to.
pub fn outgoing(noun: &Noun, stored: &Stored) -> Outgoing {
    let labels = stored.labels.iter().filter(|_| refers(noun.sort));
    let mut edges: Outgoing = labels
        .filter_map(|(label, value)| Some((label.clone(), Target::of_label(label, value)?)))
        .collect();
    edges.extend(own_target(noun, stored).map(|target| (String::new(), target)));
    let held = stored.resources.iter().filter_map(Target::of_resource);
    edges.extend(held.map(|target| (String::new(), target)));
    edges
}

/// Whether labels of the sort make edges: those of leases and namespaces do not.
fn refers(sort: Sort) -> bool {
    matches!(sort, Sort::Content | Sort::Image | Sort::Container)
}

/// What a noun refers to without a label.
fn own_target(noun: &Noun, stored: &Stored) -> Option<Target> {
    match noun.sort {
        Sort::Image => {
            let image: values::Image = values::decode(noun, &stored.value).ok()?;
            Some(Target::Content(image.target.digest))
        }
        Sort::Container => {
            let container: values::Container = values::decode(noun, &stored.value).ok()?;
            let (snapshotter, key) = (&container.snapshotter, &container.snapshot_key);
            (!key.is_empty()).then(|| Target::snapshot(snapshotter, key))
        }
        _ => None,
    }
}

/// Makes the stored edges of `noun` follow its records from `old` to `new`.
pub fn replace(change: &mut Change<'_>, noun: &Noun, old: &Stored, new: &Stored) -> Result<()> {
    let (old, new) = (outgoing(noun, old), outgoing(noun, new));
    for (label, target) in old.iter().filter(|edge| !new.contains(edge)) {
        remove(change, noun, label, target)?;
    }
    for (label, target) in new.iter().filter(|edge| !old.contains(edge)) {
        add(change, noun, label, target)?;
    }
    Ok(())
}

/// Tells the barrier of what labels keep without an edge, before they are changed: a blob itself, and
/// for a time, or alone, what a lease holds.
pub fn note_kept(change: &Change<'_>, noun: &Noun, old: &Stored, new: &Stored) {
    let root = |stored: &Stored| stored.labels.contains_key(GC_ROOT);
    if noun.sort == Sort::Content && root(old) && !root(new) {
        let own = noun.name.parse().ok().map(Target::Content);
        own.iter().for_each(|own| change.barrier().note(&noun.namespace, own));
    }
    if noun.sort == Sort::Lease && old.labels != new.labels {
        let held = old.resources.iter().filter_map(Target::of_resource);
        held.for_each(|target| change.barrier().note(&noun.namespace, &target));
    }
}

pub fn add_resource(change: &mut Change<'_>, lease: &Noun, resource: &Resource) -> Result<()> {
    match Target::of_resource(resource) {
        Some(target) => add(change, lease, "", &target),
        None => Ok(()),
    }
}

pub fn remove_resource(change: &mut Change<'_>, lease: &Noun, resource: &Resource) -> Result<()> {
    match Target::of_resource(resource) {
        Some(target) => remove(change, lease, "", &target),
        None => Ok(()),
    }
}

fn add(change: &mut Change<'_>, noun: &Noun, label: &str, target: &Target) -> Result<()> {
    change.barrier().note(&noun.namespace, target);
    change.put(&key(noun, label, target), Vec::new())
}

fn remove(change: &mut Change<'_>, noun: &Noun, label: &str, target: &Target) -> Result<()> {
    change.barrier().note(&noun.namespace, target);
    change.delete(&key(noun, label, target))
}

/// The key of a stored edge.
pub fn key(noun: &Noun, label: &str, target: &Target) -> Vec<u8> {
    let mut key = prefix_of(&noun.namespace, target);
    key.extend_from_slice(noun.sort.as_str().as_bytes());
    let (owner, label) = match target {
        Target::Content(_) => (noun.name.clone(), short(label)),
        Target::Snapshot { .. } => (brief(&noun.name), brief(label)),
    };
    for part in [owner, label] {
        key.push(0);
        key.extend_from_slice(part.as_bytes());
    }
    key
}

fn brief(text: &str) -> String {
    match text.len() > BRIEF || text.starts_with('#') || text.contains('\0') {
        true => format!("#{}", Digest::of(text.as_bytes()).hex()),
        false => text.to_owned(),
    }
}

fn prefix_of(namespace: &Namespace, target: &Target) -> Vec<u8> {
    match target {
        Target::Content(digest) => prefix(namespace, digest),
        Target::Snapshot { snapshotter, key } => {
            let (snapshotter, key) = (brief(snapshotter), brief(key));
            format!("edge/{namespace}/snapshots/{snapshotter}\0{key}\0").into_bytes()
        }
    }
}

/// Whether anything refers to `target` but blobs that are `ours`.
pub fn any_other(
    view: &impl View,
    namespace: &Namespace,
    target: &Target,
    ours: impl Fn(&Digest) -> bool,
) -> Result<bool> {
    let prefix = prefix_of(namespace, target);
    view.any_key(&prefix, &mut |key| !blob(&key[prefix.len()..]).is_some_and(|owner| ours(&owner)))
}

/// The owner of an edge, of which `rest` is what follows its prefix, where that is a blob.
fn blob(rest: &[u8]) -> Option<Digest> {
    let mut parts = rest.split(|byte| *byte == 0);
    let sort = parts.next()?;
    let owner = parts.next().filter(|_| sort == Sort::Content.as_str().as_bytes())?;
    std::str::from_utf8(owner).ok()?.parse().ok()
}

/// The blob that a stored edge or holder key is there for.
pub fn owner(key: &[u8]) -> Option<Digest> {
    if key.starts_with(HOLDERS) {
        return held(key);
    }
    // Of an edge: edge, namespace, target; and, parted by zeros, whose it is.
    let mut parts = key.strip_prefix(b"edge/")?.splitn(3, |byte| *byte == b'/');
    let (_, target, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let skipped = if target == b"snapshots" { 2 } else { 0 };
    let mut rest = rest.split(|byte| *byte == 0).skip(skipped);
    let content = rest.next()? == Sort::Content.as_str().as_bytes();
    let owner = rest.next().filter(|_| content)?;
    std::str::from_utf8(owner).ok()?.parse().ok()
}

/// Stores the edges to snapshots of a store from before they were.
pub fn complete(change: &mut Change<'_>) -> Result<()> {
    if change.has(COMPLETE)? {
        return Ok(());
    }
    for sort in Sort::ALL {
        for (noun, stored) in super::noun::list_all(change, sort)? {
            let edges = outgoing(&noun, &stored).into_iter();
            let snapshots = edges.filter(|(_, target)| matches!(target, Target::Snapshot { .. }));
            for (label, target) in snapshots {
                change.put(&key(&noun, &label, &target), Vec::new())?;
            }
        }
    }
    change.put(COMPLETE, Vec::new())
}

/// The prefix of all stored edges to a digest.
pub fn prefix(namespace: &Namespace, digest: &Digest) -> Vec<u8> {
    format!("edge/{namespace}/{digest}/").into_bytes()
}

/// The prefix of the edges from images whose target is the digest or whose labels refer to it.
pub fn image_prefix(namespace: &Namespace, digest: &Digest) -> Vec<u8> {
    owner_prefix(namespace, digest, Sort::Image)
}

fn owner_prefix(namespace: &Namespace, digest: &Digest, sort: Sort) -> Vec<u8> {
    format!("edge/{namespace}/{digest}/{}\0", sort.as_str()).into_bytes()
}

/// The names of the nouns of one sort that refer to the digest without a label: images whose target
/// it is, leases that hold it.
pub fn owners(
    view: &impl View,
    namespace: &Namespace,
    digest: &Digest,
    sort: Sort,
) -> Result<Vec<String>> {
    let prefix = owner_prefix(namespace, digest, sort);
    let edges = view.scan(&prefix)?.into_iter();
    let owner = |(key, _): (Vec<u8>, _)| {
        let name = key[prefix.len()..].strip_suffix(b"\0")?;
        (!name.contains(&0)).then(|| String::from_utf8_lossy(name).into_owned())
    };
    Ok(edges.filter_map(owner).collect())
}

/// The prefix of all holder keys.
pub const HOLDERS: &[u8] = b"holder/";

/// That a namespace has a blob: `holder/<digest>/<namespace>`.
pub fn holder_key(digest: &Digest, namespace: &Namespace) -> Vec<u8> {
    format!("holder/{digest}/{namespace}").into_bytes()
}

/// The blob that a holder key tells of.
pub fn held(key: &[u8]) -> Option<Digest> {
    let rest = std::str::from_utf8(key.strip_prefix(HOLDERS)?).ok()?;
    rest.split_once('/')?.0.parse().ok()
}

/// The prefix of the namespaces that have a blob.
pub fn holder_prefix(digest: &Digest) -> Vec<u8> {
    format!("holder/{digest}/").into_bytes()
}
