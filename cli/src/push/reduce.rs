//! What is pushed of what is here: all of it, as it is; else an index of those of its platforms that are
//! here, or the one manifest that is.

use bytes::Bytes;
use serde_json::Value;
use varve_core::{Descriptor, Digest, Error, Result};

use super::tree::{self, Part, Tree};

/// A document that is pushed, and what it refers to.
#[derive(Clone, Debug)]
pub struct Node {
    pub descriptor: Descriptor,
    /// Where they are not those of the store.
    pub bytes: Option<Bytes>,
    /// Documents that must be there first.
    pub children: Vec<Node>,
    /// Shown to a person.
    pub layers: Vec<Descriptor>,
    /// Blobs that are not.
    pub others: Vec<Descriptor>,
}

impl Node {
    fn bare(descriptor: &Descriptor) -> Self {
        Self {
            descriptor: descriptor.clone(),
            bytes: None,
            children: Vec::new(),
            layers: Vec::new(),
            others: Vec::new(),
        }
    }

    /// All of `tree`, which is here as it is.
    pub fn whole(tree: &Tree) -> Self {
        let mut node = Self::bare(&tree.descriptor);
        match &tree.part {
            Part::Manifest { config, layers, .. } => {
                node.layers.clone_from(layers);
                node.others.push((**config).clone());
            }
            Part::Index(children) => {
                children.iter().for_each(|child| node.add(child, Self::whole(child)))
            }
            Part::Absent | Part::There | Part::Blob => {}
        }
        node
    }

    fn add(&mut self, child: &Tree, node: Self) {
        match child.part {
            Part::There => {}
            Part::Blob => self.others.push(child.descriptor.clone()),
            _ => self.children.push(node),
        }
    }

    /// All documents, children before what refers to them; this one last.
    pub fn documents(&self) -> Vec<&Self> {
        let below = self.children.iter().flat_map(Self::documents);
        below.chain(std::iter::once(self)).collect()
    }

    /// The only manifest, where there is no other.
    fn only_manifest(&self) -> Option<&Self> {
        let documents = self.documents();
        let mut manifests =
            documents.iter().filter(|node| node.descriptor.media_type.is_manifest());
        let first = manifests.next()?;
        let alone =
            manifests.next().is_none() && documents.iter().all(|it| it.blobs_of_indexes() == 0);
        alone.then_some(*first)
    }

    fn blobs_of_indexes(&self) -> usize {
        if self.descriptor.media_type.is_index() { self.others.len() } else { 0 }
    }
}

/// Reads documents that are rewritten.
pub trait Read {
    /// The bytes of an index that is here.
    async fn read(&self, index: &Descriptor) -> Result<Bytes>;
}

/// What is pushed of `tree`: `None` where nothing of it is all here.
pub async fn reduce(tree: &Tree, read: &impl Read) -> Result<Option<Node>> {
    if tree.is_whole() {
        return Ok(Some(Node::whole(tree)));
    }
    let Some(reduced) = part_of(tree, read).await? else { return Ok(None) };
    // A platform alone is known by its own digest everywhere: an index around it would have a new one.
    let alone = reduced.only_manifest().cloned();
    Ok(Some(alone.unwrap_or(reduced)))
}

async fn part_of(tree: &Tree, read: &impl Read) -> Result<Option<Node>> {
    if tree.is_whole() {
        return Ok(Some(Node::whole(tree)));
    }
    let Part::Index(children) = &tree.part else { return Ok(None) };
    let mut node = Node::bare(&tree.descriptor);
    let mut kept: Vec<(Digest, Descriptor)> = Vec::new();
    for child in children.iter().filter(|child| !tells_of_what_is_left(child, children)) {
        if let Some(below) = Box::pin(part_of(child, read)).await? {
            kept.push((child.descriptor.digest, below.descriptor.clone()));
            node.add(child, below);
        }
    }
    let images = children.iter().filter(|child| !tree::is_about_another(&child.descriptor));
    if !images
        .into_iter()
        .any(|child| kept.iter().any(|(digest, _)| *digest == child.descriptor.digest))
    {
        return Ok(None);
    }
    let bytes = rewritten(&read.read(&tree.descriptor).await?, &kept)?;
    node.descriptor.digest = Digest::of(&bytes);
    node.descriptor.size = bytes.len() as u64;
    node.bytes = Some(bytes);
    Ok(Some(node))
}

/// What tells of a manifest goes with it.
fn tells_of_what_is_left(child: &Tree, all: &[Tree]) -> bool {
    let Some(subject) = tree::subject(&child.descriptor) else { return false };
    let of = all.iter().find(|other| other.descriptor.digest.to_string() == subject);
    of.is_some_and(|of| !of.is_whole())
}

/// The index with those of its children alone that are kept, each as it is now; all else in it stays.
fn rewritten(index: &[u8], kept: &[(Digest, Descriptor)]) -> Result<Bytes> {
    let unread = || Error::internal("an index that was read cannot be read again");
    let mut document: Value = serde_json::from_slice(index).map_err(|_| unread())?;
    let manifests =
        document.get_mut("manifests").and_then(Value::as_array_mut).ok_or_else(unread)?;
    manifests.retain_mut(|child| {
        let digest = child.get("digest").and_then(Value::as_str).unwrap_or_default();
        let Some((_, now)) = kept.iter().find(|(before, _)| before.to_string() == digest) else {
            return false;
        };
        child["digest"] = now.digest.to_string().into();
        child["size"] = now.size.into();
        true
    });
    Ok(serde_json::to_vec(&document).map_err(|_| unread())?.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use varve_core::MediaType;

    use super::*;

    /// Indexes by their digest.
    #[derive(Default)]
    struct Indexes(BTreeMap<Digest, Bytes>);

    impl Read for Indexes {
        async fn read(&self, index: &Descriptor) -> Result<Bytes> {
            Ok(self.0[&index.digest].clone())
        }
    }

    impl Indexes {
        fn index(&mut self, children: Vec<Tree>) -> Tree {
            let manifests: Vec<_> = children.iter().map(|child| &child.descriptor).collect();
            let index =
                json!({"schemaVersion": 2, "manifests": manifests, "annotations": {"a": "b"}});
            let bytes = serde_json::to_vec(&index).unwrap();
            let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
            self.0.insert(digest, bytes.into());
            let descriptor = Descriptor::new(MediaType::OciIndex, digest, size);
            Tree { descriptor, part: Part::Index(children) }
        }
    }

    fn manifest(name: &str, here: bool) -> Tree {
        let blob = Descriptor::new(MediaType::OciConfig, Digest::of(name.as_bytes()), 1);
        let digest = Digest::of(format!("manifest {name}").as_bytes());
        let missing = if here { Vec::new() } else { vec![blob.clone()] };
        let part = Part::Manifest { config: Box::new(blob), layers: Vec::new(), missing };
        Tree { descriptor: Descriptor::new(MediaType::OciManifest, digest, 1), part }
    }

    fn attestation(of: &Tree) -> Tree {
        let mut tree = manifest("attestation", true);
        let (key, of) = ("vnd.docker.reference.digest", of.descriptor.digest);
        tree.descriptor.annotations.insert(key.into(), of.to_string());
        tree
    }

    fn digests(node: &Node) -> Vec<Digest> {
        node.children.iter().map(|child| child.descriptor.digest).collect()
    }

    #[tokio::test]
    async fn what_is_whole_stays_as_it_is() {
        let mut indexes = Indexes::default();
        let tree = indexes.index(vec![manifest("a", true), manifest("b", true)]);
        let node = reduce(&tree, &indexes).await.unwrap().unwrap();
        assert_eq!((node.descriptor, node.bytes), (tree.descriptor, None));
    }

    #[tokio::test]
    async fn an_index_is_reduced_to_what_is_here_and_keeps_all_else() {
        let mut indexes = Indexes::default();
        let (a, b) = (manifest("a", true), manifest("b", true));
        let gone = manifest("c", false);
        let here = [a.descriptor.digest, b.descriptor.digest];
        let tree = indexes.index(vec![a, gone.clone(), b, attestation(&gone)]);
        let node = reduce(&tree, &indexes).await.unwrap().unwrap();
        assert_eq!(digests(&node), here);
        let bytes = node.bytes.unwrap();
        assert_eq!(node.descriptor.digest, Digest::of(&bytes));
        let index: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
        assert_eq!(index["annotations"]["a"], "b");
    }

    #[tokio::test]
    async fn one_platform_alone_is_pushed_as_its_manifest() {
        let mut indexes = Indexes::default();
        let (here, gone) = (manifest("a", true), manifest("b", false));
        let tree = indexes.index(vec![gone.clone(), here.clone()]);
        let node = reduce(&tree, &indexes).await.unwrap().unwrap();
        assert_eq!(node.descriptor, here.descriptor);
        let told = attestation(&here);
        let tree = indexes.index(vec![gone, here, told]);
        let node = reduce(&tree, &indexes).await.unwrap().unwrap();
        assert!(node.bytes.is_some(), "with what tells of it there are two");
    }

    #[tokio::test]
    async fn an_index_within_an_index_is_reduced_first() {
        let mut indexes = Indexes::default();
        let inner = indexes.index(vec![manifest("a", true), manifest("b", false)]);
        let tree = indexes.index(vec![inner, manifest("c", true)]);
        let node = reduce(&tree, &indexes).await.unwrap().unwrap();
        let documents: Vec<_> = node.documents().iter().map(|it| it.descriptor.digest).collect();
        assert_eq!(documents.len(), 4);
        let outer = node.bytes.unwrap();
        let inner = node.children[0].descriptor.digest.to_string();
        assert!(String::from_utf8_lossy(&outer).contains(&inner));
    }

    #[tokio::test]
    async fn where_nothing_is_all_here_there_is_nothing_to_push() {
        let mut indexes = Indexes::default();
        let gone = manifest("a", false);
        let told = attestation(&gone);
        let tree = indexes.index(vec![gone, told]);
        assert!(reduce(&tree, &indexes).await.unwrap().is_none());
        assert!(reduce(&manifest("a", false), &indexes).await.unwrap().is_none());
    }
}
