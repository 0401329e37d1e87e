//! The images that the lines speak of, and what they call the parts of each.

use serde_json::Value;
use varve_core::{ChainId, DiffId, Digest, Platform};

use crate::image::{Content, Family, Packing, platform};
use crate::layer::Layer;
use crate::{busybox, demo};

/// An image of the registry; `{name}` is its target, `{name.config}`, `{name.layer}` and `{name.chain}` are of the last
/// manifest.
pub struct Named {
    pub name: &'static str,
    pub content: Content,
}

/// Of both families and of every compression, of one platform and of three.
pub fn all(program: &[u8]) -> Vec<Named> {
    let (host, settings) = (Platform::host(), settings());
    let small = |family, packing| {
        let mut content = Content::default();
        content.image(family, packing, &host, &[busybox::base(program).finish(), settings.clone()]);
        content
    };
    vec![
        Named { name: "box", content: small(Family::Oci, Packing::Gzip) },
        Named { name: "docker", content: small(Family::Docker, Packing::Gzip) },
        Named { name: "plain", content: small(Family::Oci, Packing::Plain) },
        Named { name: "zstd", content: small(Family::Oci, Packing::Zstd) },
        Named { name: "multi", content: demo::image() },
        Named { name: "foreign", content: foreign() },
    ]
}

fn settings() -> Vec<u8> {
    Layer::new()
        .dir("etc/", 0o755)
        .file("etc/hello.conf", 0o600, b"greeting = \"good day\"\n")
        .whiteout("etc/group")
        .finish()
}

/// Of a platform that this machine is not.
fn foreign() -> Content {
    let mut content = Content::default();
    let other = platform("linux", "s390x", "");
    content.image(Family::Oci, Packing::Gzip, &other, &[settings()]);
    content
}

impl Named {
    /// What stands for its parts.
    pub fn names(&self) -> Vec<(String, String)> {
        let target = self.content.manifests.last().map(|(_, bytes)| Digest::of(bytes).to_string());
        let mut names = vec![(self.name.to_owned(), target.unwrap_or_default())];
        let mut documents = self.content.manifests.iter().map(|(_, bytes)| read(bytes));
        let Some(manifest) = documents.find(|document| document["config"].is_object()) else {
            return names;
        };
        let digest = |value: &Value| value["digest"].as_str().unwrap_or_default().to_owned();
        let config = digest(&manifest["config"]);
        names.push((format!("{}.config", self.name), config.clone()));
        names.push((format!("{}.layer", self.name), digest(&manifest["layers"][0])));
        names.extend(self.chain(&config).map(|chain| (format!("{}.chain", self.name), chain)));
        names
    }

    fn chain(&self, config: &str) -> Option<String> {
        let bytes =
            self.content.blobs.iter().find(|blob| Digest::of(blob).to_string() == config)?;
        let config = read(bytes);
        let ids = config["rootfs"]["diff_ids"].as_array()?.iter();
        let ids: Option<Vec<DiffId>> =
            ids.map(|id| id.as_str()?.parse().ok().map(DiffId)).collect();
        Some(ChainId::chain(&ids?).last()?.0.to_string())
    }
}

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}
