//! The documents of an image, read strictly: descriptor, index, manifest, config.
//!
//! Only parsed, never written again: bytes that have a digest are stored and served as they came.
//! A document that is two things at once (CVE-2021-41190), that disagrees with the media type it
//! came under, or that is nested or long beyond reason is refused.

mod bounds;
mod media;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::bounds::{Bounds, LARGE, MAX_DOCUMENT};
pub use self::media::{Compression, MediaType};
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result, ResultExt};
use crate::platform::Platform;

/// A pointer to a blob (image-spec, descriptor.md). Foreign `urls` are deliberately not kept: a
/// layer is fetched from the registry that names it, or not at all (CVE-2020-15157).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: MediaType,
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Only in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, annotations: BTreeMap::new(), platform: None }
    }
}

/// An image manifest (image-spec, manifest.md; Docker's schema 2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub config: Descriptor,
    /// Bottom first.
    pub layers: Vec<Descriptor>,
}

/// An image index (image-spec, image-index.md; Docker's manifest list).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Index {
    pub manifests: Vec<Descriptor>,
}

/// A parsed document that a name or an index can point to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, and never in a collection")]
pub enum Document {
    Index(Index),
    Manifest(Manifest),
}

/// All that the two kinds may carry, so that carrying both can be seen.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: u32,
    media_type: Option<MediaType>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<Value>,
}

impl Document {
    /// Reads a document that came under `media_type`.
    pub fn parse(media_type: &MediaType, bytes: &[u8], bounds: &Bounds) -> Result<Self> {
        let bad = |why: String| Error::invalid(format!("{media_type}: {why}"));
        let raw: Raw = parse_json(media_type.as_str(), bytes, bounds)?;
        if raw.fs_layers.is_some() || raw.schema_version == 1 {
            return Err(bad("is a Docker schema 1 manifest, which no longer carries verifiable \
                            layers; push the image again with a current tool"
                .into()));
        }
        if raw.schema_version != 2 {
            return Err(bad(format!("schemaVersion is {}, want 2", raw.schema_version)));
        }
        if let Some(inner) = raw.media_type.filter(|inner| inner != media_type) {
            return Err(bad(format!("says of itself that it is {inner}")));
        }
        match (raw.manifests, raw.config, raw.layers) {
            (Some(manifests), None, None) if media_type.is_index() => {
                bounds.check_children(media_type, manifests.len())?;
                Ok(Self::Index(Index { manifests }))
            }
            (None, Some(config), Some(layers)) if media_type.is_manifest() => {
                bounds.check_layers(media_type, layers.len())?;
                Ok(Self::Manifest(Manifest { config, layers }))
            }
            _ => Err(bad("an index has manifests alone, a manifest has config and layers".into())),
        }
    }

    /// The descriptors it points to, in order: children, or config and layers.
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Index(index) => index.manifests.iter().collect(),
            Self::Manifest(manifest) => {
                std::iter::once(&manifest.config).chain(&manifest.layers).collect()
            }
        }
    }
}

/// JSON of a bounded size. serde_json refuses nesting deeper than 128 and fields that stand twice.
fn parse_json<'a, T: Deserialize<'a>>(noun: &str, bytes: &'a [u8], bounds: &Bounds) -> Result<T> {
    bounds.check_size(bytes.len() as u64).context(|| noun.to_owned())?;
    serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid(format!("{noun}: cannot be read")).with_source(error))
}

/// The part of an image's config that unpacking and choosing need (image-spec, config.md).
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct ImageConfig {
    #[serde(default)]
    pub created: Option<String>,
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub variant: String,
    #[serde(default, rename = "os.version")]
    pub os_version: String,
    #[serde(default, rename = "os.features")]
    pub os_features: Vec<String>,
    /// What nothing is decided by is kept as it came: a pull does not fail by it.
    #[serde(default)]
    pub author: Value,
    /// What a container of it runs with, as it stands there (image-spec config.md, *config*).
    #[serde(default)]
    pub config: Value,
    pub rootfs: RootFs,
    #[serde(default)]
    pub history: Value,
}

/// One step of how an image was made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Step {
    pub created: Option<String>,
    pub created_by: String,
    pub comment: String,
    /// It made no layer.
    pub empty_layer: bool,
}

/// The layers' diff ids.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct RootFs {
    /// Bottom first.
    #[serde(default)]
    pub diff_ids: Vec<DiffId>,
}

impl ImageConfig {
    /// Who made it; empty where nobody says.
    pub fn author(&self) -> &str {
        self.author.as_str().unwrap_or_default()
    }

    /// How it was made, oldest first. The steps that are no empty layers are the layers, in their order.
    pub fn history(&self) -> Vec<Step> {
        let steps = self.history.as_array().into_iter().flatten();
        steps.map(|step| Step::deserialize(step).unwrap_or_default()).collect()
    }

    /// The labels of the image itself.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.config.get("Labels").and_then(Value::as_object);
        labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// Reads a config.
    pub fn parse(bytes: &[u8], bounds: &Bounds) -> Result<Self> {
        parse_json("image config", bytes, bounds)
    }

    /// The platform it was built for.
    pub fn platform(&self) -> Platform {
        Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(kind: &MediaType, text: impl AsRef<str>) -> Result<Document> {
        Document::parse(kind, text.as_ref().as_bytes(), &Bounds::default())
    }

    fn descriptor(kind: &str) -> String {
        format!(r#"{{"mediaType":"{kind}","digest":"{DIGEST}","size":0}}"#)
    }

    fn manifest(extra: &str) -> String {
        let (config, layer) = (
            descriptor(MediaType::OciConfig.as_str()),
            descriptor(MediaType::OciLayer(Compression::Gzip).as_str()),
        );
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]{extra}}}"#)
    }

    #[test]
    fn a_manifest_is_read() {
        let document = read(&MediaType::OciManifest, manifest("")).unwrap();
        assert_eq!(document.children().len(), 2);
    }

    #[test]
    fn a_document_that_is_two_things_at_once_is_refused() {
        let both = manifest(&format!(r#","manifests":[{}]"#, descriptor("x/y")));
        for kind in [MediaType::OciManifest, MediaType::OciIndex] {
            assert!(read(&kind, &both).is_err());
        }
    }

    #[test]
    fn a_document_that_disagrees_with_its_media_type_is_refused() {
        let other = format!(r#","mediaType":"{}""#, MediaType::DockerManifest);
        let error = read(&MediaType::OciManifest, manifest(&other));
        assert!(error.unwrap_err().message().contains("says of itself"));
        assert!(read(&MediaType::OciIndex, manifest("")).is_err());
    }

    #[test]
    fn schema_1_deep_nesting_and_fields_twice_are_refused() {
        let twice = manifest(&format!(r#","config":{}"#, descriptor("x/y")));
        let deep = format!(r#"{{"config":{{"annotations":{}"#, r#"{"a":"#.repeat(200));
        for bad in [r#"{"schemaVersion":1,"fsLayers":[]}"#, &twice, &deep, "{}", "[]", ""] {
            assert!(read(&MediaType::OciManifest, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn negative_and_fractional_sizes_are_refused() {
        for size in ["-1", "1.5", "18446744073709551616", "\"1\""] {
            let text = manifest("").replace("\"size\":0", &format!("\"size\":{size}"));
            assert!(read(&MediaType::OciManifest, text).is_err(), "{size}");
        }
    }

    #[test]
    fn too_many_layers_are_refused() {
        let layer = descriptor("a/b");
        let many = vec![layer.as_str(); Bounds::default().layers + 1].join(",");
        let text = format!(r#"{{"schemaVersion":2,"config":{layer},"layers":[{many}]}}"#);
        let error = read(&MediaType::OciManifest, text).unwrap_err();
        assert!(error.message().ends_with("501 layers, more than 500"), "{error}");
    }

    #[test]
    fn what_a_document_may_have_is_configuration() {
        let few = Bounds { layers: 1, children: 1, document: 1 << 10, ..Bounds::default() };
        let parse = |kind: &MediaType, text: &str| {
            Document::parse(kind, text.as_bytes(), &few).map_err(|error| error.chain())
        };
        assert!(parse(&MediaType::OciManifest, &manifest("")).is_ok());
        let child = descriptor(MediaType::OciManifest.as_str());
        let two = format!(r#"{{"schemaVersion":2,"manifests":[{child},{child}]}}"#);
        let error = parse(&MediaType::OciIndex, &two).unwrap_err();
        assert!(error.ends_with("2 manifests, more than 1"), "{error}");
        let large = manifest(&" ".repeat(1000));
        let error = parse(&MediaType::OciManifest, &large).unwrap_err();
        assert!(error.contains("bytes, more than 1024; "), "{error}");
        let error = ImageConfig::parse(large.as_bytes(), &few).unwrap_err().chain();
        assert!(error.starts_with("image config") && error.contains("more than 1024; "), "{error}");
    }
}
