//! Short ways to put things into a store, for its tests.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, reason = "of tests")]

pub mod snapshotter;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use varve_content_store::{Config, ContentStore, open};
use varve_core::collect::Collector;
use varve_core::content::{Commit, Content, OpenWriter};
use varve_core::images::{Image, Images};
use varve_core::oci::Compression;
use varve_core::{Descriptor, Digest, Labels, MediaType, Platform, ResultExt, Scope};

pub async fn store(dir: &Path) -> Arc<ContentStore> {
    open(Config::new(dir)).await.unwrap()
}

/// A ref of its own for every put: two of the same bytes at once do not wait for one another.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Commits `bytes` with labels; what is there already stays.
pub async fn put(
    store: &ContentStore,
    scope: &Scope,
    bytes: &[u8],
    labels: &[(&str, &str)],
) -> Digest {
    let digest = Digest::of(bytes);
    let open = OpenWriter {
        ingest: format!("put-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        expected: Some(digest),
        total: 0,
    };
    let Some(mut writer) = store.writer(scope, open).await.unless_exists().unwrap() else {
        return digest;
    };
    if writer.status().offset == 0 {
        writer.write(Bytes::copy_from_slice(bytes)).await.unwrap();
    }
    writer
        .commit(Commit { labels: self::labels(labels), ..Commit::default() })
        .await
        .unless_exists()
        .unwrap();
    digest
}

/// An image of one layer, as a pull would leave it; answers the manifest's descriptor.
pub async fn image(store: &ContentStore, scope: &Scope, seed: &str, arch: &str) -> Descriptor {
    let layer = MediaType::OciLayer(Compression::None);
    let kinds = [MediaType::OciManifest, MediaType::OciConfig, layer];
    image_of(store, scope, seed, arch, kinds).await
}

/// The same in Docker's media types.
pub async fn docker(store: &ContentStore, scope: &Scope, seed: &str, arch: &str) -> Descriptor {
    let layer = MediaType::DockerLayer(Compression::None);
    let kinds = [MediaType::DockerManifest, MediaType::DockerConfig, layer];
    image_of(store, scope, seed, arch, kinds).await
}

async fn image_of(
    store: &ContentStore,
    scope: &Scope,
    seed: &str,
    arch: &str,
    [kind, config_kind, layer_kind]: [MediaType; 3],
) -> Descriptor {
    let config = format!(
        r#"{{"architecture":"{arch}","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}},"config":{{"Labels":{{"seed":"{seed}"}}}}}}"#,
        Digest::of(&tar(seed))
    );
    let config = descriptor(config_kind, config.into_bytes());
    let layer = descriptor(layer_kind, tar(seed));
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
        kind,
        serde_json::to_string(&config.0).unwrap(),
        serde_json::to_string(&layer.0).unwrap(),
    );
    let mut manifest = descriptor(kind, manifest.into_bytes());
    let (to_config, to_layer) = (config.0.digest.to_string(), layer.0.digest.to_string());
    put(store, scope, &config.1, &[]).await;
    put(store, scope, &layer.1, &[]).await;
    let edges = [
        ("containerd.io/gc.ref.content.config", to_config.as_str()),
        ("containerd.io/gc.ref.content.l.0", to_layer.as_str()),
    ];
    put(store, scope, &manifest.1, &edges).await;
    manifest.0.platform = Some(Platform::new("linux", arch, ""));
    manifest.0
}

/// An index of manifests that need not be here.
pub async fn index(store: &ContentStore, scope: &Scope, children: &[Descriptor]) -> Descriptor {
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":{}}}"#,
        MediaType::OciIndex,
        serde_json::to_string(children).unwrap(),
    );
    let index = descriptor(MediaType::OciIndex, index.into_bytes());
    let edges: Vec<(String, String)> = children
        .iter()
        .enumerate()
        .map(|(n, child)| (format!("containerd.io/gc.ref.content.m.{n}"), child.digest.to_string()))
        .collect();
    let edges: Vec<(&str, &str)> = edges.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    put(store, scope, &index.1, &edges).await;
    index.0
}

pub fn descriptor(kind: MediaType, bytes: Vec<u8>) -> (Descriptor, Vec<u8>) {
    (Descriptor::new(kind, Digest::of(&bytes), bytes.len() as u64), bytes)
}

/// A tar of one file.
fn tar(seed: &str) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut set =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    set(0, "seed");
    set(100, "0000644");
    set(108, "0000000");
    set(116, "0000000");
    set(124, &format!("{:011o}", seed.len()));
    set(136, "00000000000");
    set(148, "        ");
    set(156, "0");
    set(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend_from_slice(seed.as_bytes());
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}

pub async fn recounted(store: &ContentStore) {
    assert_eq!(store.recount().await.unwrap(), Vec::<String>::new());
}

/// Names an image; it has no platform, as a target that was resolved has none.
pub async fn name(store: &ContentStore, name: &str, target: &Descriptor) {
    let target = Descriptor { platform: None, ..target.clone() };
    Images::create(store, &Scope::default(), &Image::new(name, target)).await.unwrap();
}

/// What an image's name points to.
pub async fn target(store: &ContentStore, name: &str) -> Option<Descriptor> {
    let image = Images::get(store, &Scope::default(), name).await.found().unwrap();
    image.map(|image| image.target)
}

pub async fn unname(store: &ContentStore, name: &str) {
    Images::delete(store, &Scope::default(), name).await.unwrap();
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// Whether the default namespace has a blob.
pub async fn here(store: &ContentStore, digest: &Digest) -> bool {
    store.info(&Scope::default(), digest).await.found().unwrap().is_some()
}
