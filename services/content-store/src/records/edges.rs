//! Edges: who refers to what.
//!
//! [`outgoing`] says what a noun's records refer to; the stored edges, the recount and the mark are
//! all made from it and so cannot disagree on what an edge is. Edges to digests are stored, one
//! record each, `edge/<namespace>/<digest>/<sort>\0<owner>\0<label>`; the number of those under a
//! digest is its reference count. Edges to snapshots are only derived.

use varve_core::labels::{GC_REF_CONTENT, GC_REF_SNAPSHOT};
use varve_core::leases::Resource;
use varve_core::{Digest, Namespace, Result};

use super::noun::{Noun, Sort, Stored, short};
use super::{Change, View, values};

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
    match key(noun, label, target) {
        Some(key) => change.put(&key, Vec::new()),
        None => Ok(()),
    }
}

fn remove(change: &mut Change<'_>, noun: &Noun, label: &str, target: &Target) -> Result<()> {
    match key(noun, label, target) {
        Some(key) => change.delete(&key),
        None => Ok(()),
    }
}

/// The key of a stored edge; `None` for those that are only derived.
pub fn key(noun: &Noun, label: &str, target: &Target) -> Option<Vec<u8>> {
    let Target::Content(digest) = target else { return None };
    let mut key = prefix(&noun.namespace, digest);
    key.extend_from_slice(noun.sort.as_str().as_bytes());
    for part in [noun.name.as_str(), &short(label)] {
        key.push(0);
        key.extend_from_slice(part.as_bytes());
    }
    Some(key)
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
