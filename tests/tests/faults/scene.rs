//! What the registry has: an index of one image with three layers, at two hosts alike.

use varve_core::{Descriptor, Digest, MediaType};
use varve_registry::testsuite::TestRegistry;
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::layer::Layer;

pub const REPO: &str = "lab/app";
/// Bytes of a layer, about.
const SIZE: usize = 150_000;

pub struct Scene {
    /// What the tag points to.
    pub index: Descriptor,
    pub manifest: Descriptor,
    /// The lowest.
    pub layer: Digest,
}

impl Scene {
    pub fn stock(registry: &TestRegistry, other: &TestRegistry) -> Self {
        let mut content = Content::default();
        let tars: Vec<_> = (1..=3).map(layer).collect();
        let linux = platform("linux", "amd64", "");
        let manifest = content.image(Family::Oci, Packing::Gzip, &linux, &tars);
        let index = content.index(Family::Oci, &[(manifest.clone(), linux)]);
        push(registry, &content);
        push(other, &content);
        Self { index, manifest, layer: Digest::of(&content.blobs[0]) }
    }

    /// `/blobs/sha256:…` of the lowest layer: of one that is alone the requests can be counted.
    pub fn path(&self) -> String {
        format!("/blobs/{}", self.layer)
    }
}

/// Takes everything, and names the last manifest `1`.
pub fn push(registry: &TestRegistry, content: &Content) {
    for blob in &content.blobs {
        registry.push_blob(REPO, blob.clone());
    }
    let last = content.manifests.len() - 1;
    for (n, (media_type, bytes)) in content.manifests.iter().enumerate() {
        registry.push_manifest(REPO, (n == last).then_some("1"), media_type, bytes.clone());
    }
}

/// Another image, which nobody names.
pub fn push_untagged(registry: &TestRegistry) -> Digest {
    let mut content = Content::default();
    let linux = platform("linux", "amd64", "");
    content.image(Family::Oci, Packing::Gzip, &linux, &[layer(9)]);
    registry.push_blob(REPO, content.blobs[0].clone());
    registry.push_blob(REPO, content.blobs[1].clone());
    let (kind, bytes) = content.manifests[0].clone();
    registry.push_manifest(REPO, None, &kind, bytes)
}

/// An index in an index, so many deep, with the image in the innermost.
pub fn push_nested(scene: &Scene, registry: &TestRegistry, deep: usize) {
    let linux = platform("linux", "amd64", "");
    let mut content = Content::default();
    let mut inner = scene.manifest.clone();
    for _ in 0..deep {
        inner = content.index(Family::Oci, &[(inner, linux.clone())]);
    }
    push(registry, &content);
}

/// An index that names the same index a thousand times.
pub fn push_repeated(scene: &Scene, registry: &TestRegistry) {
    let linux = platform("linux", "amd64", "");
    let mut content = Content::default();
    let children = vec![(scene.index.clone(), linux); 1000];
    content.index(Family::Oci, &children);
    push(registry, &content);
}

/// A manifest of so many bytes; the tag points to it.
pub fn push_large(registry: &TestRegistry, size: usize) {
    let mut bytes =
        format!(r#"{{"schemaVersion":2,"mediaType":"{}","x":""#, MediaType::OciManifest)
            .into_bytes();
    bytes.resize(size - 2, b'x');
    bytes.extend(b"\"}");
    registry.push_manifest(REPO, Some("1"), &MediaType::OciManifest, bytes);
}

/// An index whose child says that it has so many bytes.
pub fn push_large_child(scene: &Scene, registry: &TestRegistry, size: u64) {
    let linux = platform("linux", "amd64", "");
    let mut content = Content::default();
    content.index(Family::Oci, &[(Descriptor { size, ..scene.manifest.clone() }, linux)]);
    push(registry, &content);
}

/// Bytes that no compression makes less of.
fn layer(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let noise: Vec<u8> = (0..SIZE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    Layer::new().file(&format!("noise-{seed}"), 0o644, &noise).finish()
}
