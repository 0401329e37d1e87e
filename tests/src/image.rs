//! Images made on the spot: layers in every compression, manifests and indexes of both families.

use std::io::Write;

use serde_json::{Value, json};
use varve_core::oci::Compression;
use varve_core::{Descriptor, Digest, MediaType, Platform};

/// Whose media types an image is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    Oci,
    Docker,
}

/// How a layer's tar becomes a blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    Plain,
    Gzip,
    /// Several gzip members one after the other, as pigz and stargz write them.
    GzipMembers,
    Zstd,
}

impl Packing {
    /// The blob.
    pub fn pack(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => tar.to_vec(),
            Self::Gzip => gzip(tar),
            Self::GzipMembers => tar.chunks(tar.len() / 3 + 1).flat_map(gzip).collect(),
            Self::Zstd => zstd::encode_all(tar, 3).expect("compressing in memory does not fail"),
        }
    }

    fn compression(self) -> Compression {
        match self {
            Self::Plain => Compression::None,
            Self::Gzip | Self::GzipMembers => Compression::Gzip,
            Self::Zstd => Compression::Zstd,
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("compressing in memory does not fail");
    encoder.finish().expect("compressing in memory does not fail")
}

/// The blobs and manifests of one or more images, ready to be pushed.
#[derive(Clone, Default, Debug)]
pub struct Content {
    pub blobs: Vec<Vec<u8>>,
    pub manifests: Vec<(MediaType, Vec<u8>)>,
}

impl Content {
    fn blob(&mut self, media_type: MediaType, bytes: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64);
        self.blobs.push(bytes);
        descriptor
    }

    fn manifest(&mut self, media_type: MediaType, document: &serde_json::Value) -> Descriptor {
        let bytes = serde_json::to_vec(document).expect("a JSON value is always printable");
        let descriptor =
            Descriptor::new(media_type.clone(), Digest::of(&bytes), bytes.len() as u64);
        self.manifests.push((media_type, bytes));
        descriptor
    }

    /// Adds an image of `tars`, bottom first, and answers its manifest's descriptor.
    pub fn image(
        &mut self,
        family: Family,
        packing: Packing,
        platform: &Platform,
        tars: &[Vec<u8>],
    ) -> Descriptor {
        self.image_with(family, packing, platform, tars, json!({"Cmd": ["/bin/sh"]}))
    }

    /// The same, with what containers of it run with.
    pub fn image_with(
        &mut self,
        family: Family,
        packing: Packing,
        platform: &Platform,
        tars: &[Vec<u8>],
        run: Value,
    ) -> Descriptor {
        self.image_of(family, packing, tars, &config(platform, tars, run))
    }

    /// The same with a config of the caller's own.
    pub fn image_of(
        &mut self,
        family: Family,
        packing: Packing,
        tars: &[Vec<u8>],
        config: &Value,
    ) -> Descriptor {
        let layer_type = match family {
            Family::Oci => MediaType::OciLayer(packing.compression()),
            Family::Docker => MediaType::DockerLayer(packing.compression()),
        };
        let layers: Vec<_> =
            tars.iter().map(|tar| self.blob(layer_type.clone(), packing.pack(tar))).collect();
        let (config_type, manifest_type) = match family {
            Family::Oci => (MediaType::OciConfig, MediaType::OciManifest),
            Family::Docker => (MediaType::DockerConfig, MediaType::DockerManifest),
        };
        let config = serde_json::to_vec(config).expect("a JSON value is always printable");
        let config = self.blob(config_type, config);
        self.manifest(
            manifest_type.clone(),
            &json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config,
                    "layers": layers}),
        )
    }

    /// Adds an index of `children` and answers its descriptor.
    pub fn index(&mut self, family: Family, children: &[(Descriptor, Platform)]) -> Descriptor {
        let index_type = match family {
            Family::Oci => MediaType::OciIndex,
            Family::Docker => MediaType::DockerList,
        };
        let manifests: Vec<_> = children
            .iter()
            .map(|(child, platform)| Descriptor {
                platform: Some(platform.clone()),
                ..child.clone()
            })
            .collect();
        self.manifest(
            index_type.clone(),
            &json!({"schemaVersion": 2, "mediaType": index_type, "manifests": manifests}),
        )
    }
}

/// A config of these layers, with what containers run with, and one step of history for each.
pub fn config(platform: &Platform, tars: &[Vec<u8>], run: Value) -> Value {
    let diff_ids: Vec<_> = tars.iter().map(|tar| Digest::of(tar)).collect();
    let history: Vec<_> = (1..=tars.len())
        .map(|n| json!({"created": "2024-01-02T03:04:05Z", "created_by": format!("layer {n}")}))
        .collect();
    let mut config = serde_json::to_value(platform).expect("a platform is printable");
    config["created"] = "2024-01-02T03:04:05Z".into();
    config["config"] = run;
    config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
    config["history"] = history.into();
    config
}

/// `os/architecture`, and a variant where it is not empty.
pub fn platform(os: &str, architecture: &str, variant: &str) -> Platform {
    Platform {
        os: os.into(),
        architecture: architecture.into(),
        variant: variant.into(),
        ..Platform::default()
    }
}
