//! Archives of images made on the spot, file by file, as tools write them and as none would.

use serde_json::{Value, json};
use tar::EntryType;
use varve_core::oci::Compression;
use varve_core::{Descriptor, Digest, MediaType};

use crate::image::{Content, Family, Packing, platform};
use crate::layer::Layer;

/// An archive under construction.
pub struct Bundle(Layer);

impl Default for Bundle {
    fn default() -> Self {
        Self::new()
    }
}

impl Bundle {
    pub fn new() -> Self {
        Self(Layer::new())
    }

    pub fn file(self, name: &str, bytes: &[u8]) -> Self {
        Self(self.0.file(name, 0o644, bytes))
    }

    pub fn json(self, name: &str, document: &Value) -> Self {
        let bytes = serde_json::to_vec(document).expect("a JSON value is always printable");
        self.file(name, &bytes)
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        Self(self.0.symlink(name, target))
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        Self(self.0.hard_link(name, target))
    }

    pub fn entry(self, kind: EntryType, name: &str) -> Self {
        Self(self.0.entry(kind, name.as_bytes(), 0o644, b"", b""))
    }

    /// A blob of an image layout.
    pub fn blob(self, bytes: &[u8]) -> Self {
        self.file(&format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes)
    }

    /// The marker of an image layout, and an index that points to `target` by `name`.
    pub fn layout(self, target: &Descriptor, name: &str) -> Self {
        let mut target = target.clone();
        if !name.is_empty() {
            target.annotations.insert("io.containerd.image.name".into(), name.into());
        }
        self.json("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}))
            .json("index.json", &json!({"schemaVersion": 2, "manifests": [target]}))
    }

    /// The archive.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish()
    }
}

/// An image layout of all of `content`, whose last manifest is called `name`.
pub fn layout(content: &Content, name: &str) -> Bundle {
    let blobs = content.blobs.iter().chain(content.manifests.iter().map(|(_, bytes)| bytes));
    let mut each: Vec<&Vec<u8>> = blobs.collect();
    each.sort();
    each.dedup();
    let bundle = each.into_iter().fold(Bundle::new(), |bundle, blob| bundle.blob(blob));
    let (kind, last) = content.manifests.last().expect("an image has a manifest");
    let target = Descriptor::new(kind.clone(), Digest::of(last), last.len() as u64);
    bundle.layout(&target, name)
}

/// The image that the hostile archives are made of: one layer, one platform.
pub struct Small {
    pub layer: Vec<u8>,
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
    pub target: Descriptor,
}

impl Small {
    pub fn new() -> Self {
        let tar = Layer::new().dir("etc/", 0o755).file("etc/motd", 0o644, b"good\n").finish();
        let mut content = Content::default();
        let host = platform("linux", "amd64", "");
        let target = content.image(Family::Oci, Packing::Plain, &host, &[tar]);
        let [layer, config] = &content.blobs[..] else { unreachable!("one layer and its config") };
        let (layer, config) = (layer.clone(), config.clone());
        let (_, manifest) = content.manifests.remove(0);
        Self { layer, config, manifest, target }
    }

    /// The manifest's descriptor of the layer.
    pub fn layer_blob(&self) -> Descriptor {
        let kind = MediaType::OciLayer(Compression::None);
        Descriptor::new(kind, Digest::of(&self.layer), self.layer.len() as u64)
    }

    /// As Docker wrote it before version 25: a directory a layer, the manifest at the end.
    pub fn docker(&self, layer: &[u8]) -> Bundle {
        let config = format!("{}.json", Digest::of(&self.config).hex());
        Bundle::new()
            .entry(EntryType::Directory, "ab/")
            .file("ab/VERSION", b"1.0")
            .file("ab/json", b"{}")
            .file("ab/layer.tar", layer)
            .file(&config, &self.config)
            .json(
                "manifest.json",
                &json!([{"Config": config, "RepoTags": ["old/docker:1"], "Layers": ["ab/layer.tar"]}]),
            )
            .json("repositories", &json!({"old/docker": {"1": "ab"}}))
    }
}

impl Default for Small {
    fn default() -> Self {
        Self::new()
    }
}
