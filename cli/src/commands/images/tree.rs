//! `varve images ls --tree`: what names point to, index by index down to platforms and attestations.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use varve_core::oci::Document;
use varve_core::unpack::Layer;
use varve_core::{Descriptor, Result, ResultExt, Timestamp};

use super::row::Row;
use crate::image::{ABOUT_ANOTHER as KIND, Documents, Source};
use crate::output::{size, table::Table};
use crate::session::Session;
use crate::survey::Trees;

/// Beside [`KIND`]: which.
const ABOUT: &str = "vnd.docker.reference.digest";
/// Indexes below one another that are shown.
const DEPTH: usize = 8;

/// A name, or something below it.
#[derive(Serialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// `alpine:3`, `linux/arm64`, `attestation of linux/arm64`.
    pub name: String,
    pub digest: String,
    pub media_type: String,
    /// The config's digest, for a platform that is here.
    pub id: Option<String>,
    pub created: Option<Timestamp>,
    /// Whether it is whole here.
    pub here: bool,
    /// Bytes of the unpacked layers.
    pub size: Option<u64>,
    /// Bytes of the layers as they were downloaded.
    pub packed_size: Option<u64>,
    pub children: Vec<Node>,
}

/// A tree of each row.
pub async fn trees(session: &Session, rows: &[Row]) -> Result<Vec<Node>> {
    let grower = Grower { session, trees: Trees::new(session), grown: AtomicUsize::new(0) };
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let name = format!("{}:{}", row.repository, row.tag);
        grower.grown.store(0, Ordering::Relaxed);
        all.push(grower.grow(name, &row.target, 0).await.context(|| row.name.clone())?);
    }
    Ok(all)
}

struct Grower<'a> {
    session: &'a Session,
    trees: Trees,
    /// Nodes of the present name: an index may list one child a thousand times, and so may that.
    grown: AtomicUsize,
}

impl Grower<'_> {
    /// Whether one node more is shown, `depth` below the name.
    fn goes_on(&self, depth: usize) -> bool {
        let grown = self.grown.fetch_add(1, Ordering::Relaxed);
        depth < DEPTH && self.session.services.bounds.check_documents(grown).is_ok()
    }

    async fn grow(&self, name: String, target: &Descriptor, depth: usize) -> Result<Node> {
        let mut node = Node {
            name,
            digest: target.digest.to_string(),
            media_type: target.media_type.to_string(),
            ..Node::default()
        };
        if target.media_type.is_manifest() {
            self.image(&mut node, target).await?;
            return Ok(node);
        }
        let Some(children) = self.children(target).await? else { return Ok(node) };
        node.here = true;
        for child in children.iter().filter(|_| self.goes_on(depth)) {
            let name = name_of(child, &children);
            node.children.push(Box::pin(self.grow(name, child, depth + 1)).await?);
        }
        let sum = |of: fn(&Node) -> Option<u64>| node.children.iter().filter_map(of).sum();
        (node.size, node.packed_size) = (Some(sum(|it| it.size)), Some(sum(|it| it.packed_size)));
        Ok(node)
    }

    /// What is told of one platform. An attestation has layers that are no layers: only whether it is here.
    async fn image(&self, node: &mut Node, manifest: &Descriptor) -> Result<()> {
        let (services, scope) = (&self.session.services, &self.session.scope);
        if manifest.annotations.contains_key(KIND) {
            let info = services.content.info(scope, &manifest.digest).await.found()?;
            node.here = info.is_some();
            return Ok(());
        }
        let documents = Documents { services, scope, source: Source::Store };
        let image = documents.below(Vec::new(), manifest.clone()).await.found()?;
        let Some(image) = image else { return Ok(()) };
        node.here = true;
        node.id = Some(image.id().to_string());
        node.created = image.config.created.as_deref().and_then(|time| time.parse().ok());
        node.packed_size = Some(image.layers.iter().map(|layer| layer.blob.size).sum());
        let layers: Vec<_> = image.layers.iter().map(Layer::chain_id).collect();
        node.size = self.trees.of(&image.id(), &layers).await?.map(|tree| tree.size);
        Ok(())
    }

    /// Of an index that is here.
    async fn children(&self, index: &Descriptor) -> Result<Option<Vec<Descriptor>>> {
        let (services, scope) = (&self.session.services, &self.session.scope);
        let documents = Documents { services, scope, source: Source::Store };
        Ok(match documents.document(index).await.found()? {
            Some(Document::Index(index)) => Some(index.manifests),
            _ => None,
        })
    }
}

/// What a child of an index is called.
fn name_of(child: &Descriptor, all: &[Descriptor]) -> String {
    let platform = |it: &Descriptor| it.platform.as_ref().map(ToString::to_string);
    let Some(kind) = child.annotations.get(KIND) else {
        let kind = if child.media_type.is_index() { "index" } else { "unknown" };
        return platform(child).unwrap_or_else(|| kind.to_owned());
    };
    let word = kind.strip_suffix("-manifest").unwrap_or(kind);
    let about = child.annotations.get(ABOUT);
    let about = all.iter().find(|it| about == Some(&it.digest.to_string())).and_then(platform);
    match about {
        Some(about) => format!("{word} of {about}"),
        None => word.to_owned(),
    }
}

/// In Docker's columns; a platform that is not here says so.
pub fn table(nodes: &[Node]) -> Table {
    let mut table = Table::new(&["IMAGE", "DIGEST", "DISK USAGE", "CONTENT SIZE", "EXTRA"]);
    for node in nodes {
        rows(&mut table, node, "", "");
    }
    table
}

/// `own` stands before the node's name, `below` before those of its children.
fn rows(table: &mut Table, node: &Node, own: &str, below: &str) {
    let bytes = |bytes: Option<u64>| size::short(bytes.unwrap_or(0));
    let extra = if node.here { "" } else { "not here" };
    let digest = node.digest.strip_prefix("sha256:").unwrap_or(&node.digest);
    let digest = digest.chars().take(12).collect();
    let (disk, content) = (bytes(node.size), bytes(node.packed_size));
    table.row([format!("{own}{}", node.name), digest, disk, content, extra.to_owned()]);
    for (n, child) in node.children.iter().enumerate() {
        let (branch, trunk) = match n + 1 == node.children.len() {
            true => ("└─ ", "   "),
            false => ("├─ ", "│  "),
        };
        rows(table, child, &format!("{below}{branch}"), &format!("{below}{trunk}"));
    }
}

#[cfg(test)]
mod tests {
    use varve_core::{Digest, MediaType, Platform};

    use super::*;

    fn manifest(text: &str, platform: &str) -> Descriptor {
        let one = Descriptor::new(MediaType::OciManifest, Digest::of(text.as_bytes()), 1);
        Descriptor { platform: platform.parse::<Platform>().ok(), ..one }
    }

    #[test]
    fn children_are_called_by_platform_and_attestations_by_what_they_are_about() {
        let image = manifest("image", "linux/arm64");
        let mut attestation = manifest("attestation", "");
        let annotation = |key: &str, value: String| (key.to_owned(), value);
        attestation.annotations = [
            annotation(KIND, "attestation-manifest".into()),
            annotation(ABOUT, image.digest.to_string()),
        ]
        .into();
        let all = [image.clone(), attestation.clone()];
        assert_eq!(name_of(&image, &all), "linux/arm64");
        assert_eq!(name_of(&attestation, &all), "attestation of linux/arm64");
        assert_eq!(name_of(&attestation, &[]), "attestation");
    }

    #[test]
    fn branches_are_drawn_and_what_is_not_here_says_so() {
        let leaf = |name: &str, here| Node {
            name: name.into(),
            digest: format!("sha256:{}", "ab".repeat(32)),
            here,
            size: here.then_some(2_000),
            packed_size: here.then_some(1_000),
            ..Node::default()
        };
        let children = vec![leaf("linux/amd64", true), leaf("linux/arm64", false)];
        let root = Node { children, ..leaf("a:1", true) };
        let want = "\
IMAGE            DIGEST         DISK USAGE   CONTENT SIZE   EXTRA
a:1              abababababab   2kB          1kB
├─ linux/amd64   abababababab   2kB          1kB
└─ linux/arm64   abababababab   0B           0B             not here
";
        assert_eq!(table(&[root]).to_string(), want);
    }
}
