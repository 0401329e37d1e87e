//! Media types: what a blob is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a blob is. The names that mean something to Varve have a variant; all others are kept.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum MediaType {
    OciIndex,
    OciManifest,
    OciConfig,
    /// `…layer.v1.tar` and what it is compressed with.
    OciLayer(Compression),
    DockerList,
    DockerManifest,
    DockerConfig,
    DockerLayer(Compression),
    Other(String),
}

/// What a layer is compressed with, as its media type says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

const NAMES: &[(&str, MediaType)] = {
    use Compression as C;
    use MediaType::*;
    &[
        ("application/vnd.oci.image.index.v1+json", OciIndex),
        ("application/vnd.oci.image.manifest.v1+json", OciManifest),
        ("application/vnd.oci.image.config.v1+json", OciConfig),
        ("application/vnd.oci.image.layer.v1.tar", OciLayer(C::None)),
        ("application/vnd.oci.image.layer.v1.tar+gzip", OciLayer(C::Gzip)),
        ("application/vnd.oci.image.layer.v1.tar+zstd", OciLayer(C::Zstd)),
        ("application/vnd.docker.distribution.manifest.list.v2+json", DockerList),
        ("application/vnd.docker.distribution.manifest.v2+json", DockerManifest),
        ("application/vnd.docker.container.image.v1+json", DockerConfig),
        ("application/vnd.docker.image.rootfs.diff.tar", DockerLayer(C::None)),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", DockerLayer(C::Gzip)),
        ("application/vnd.docker.image.rootfs.diff.tar.zstd", DockerLayer(C::Zstd)),
    ]
};

/// Deprecated names that images still carry, and what they mean.
const ALIASES: &[(&str, &str)] = &[
    (
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.v1.tar",
    ),
    (
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+gzip",
    ),
    (
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
];

impl MediaType {
    /// An image index or a Docker manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }

    /// An image manifest of either kind.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::OciManifest | Self::DockerManifest)
    }

    /// How the layer is compressed; `None` where this is no layer that can be unpacked.
    pub fn layer(&self) -> Option<Compression> {
        match self {
            Self::OciLayer(compression) | Self::DockerLayer(compression) => Some(*compression),
            Self::Other(name) => {
                let (_, meaning) = ALIASES.iter().find(|(alias, _)| alias == name)?;
                Self::from(meaning.to_string()).layer()
            }
            _ => None,
        }
    }

    /// The registered name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => NAMES.iter().find(|(_, kind)| kind == known).map_or("", |(name, _)| name),
        }
    }
}

impl From<String> for MediaType {
    fn from(name: String) -> Self {
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, kind)) => kind.clone(),
            None => Self::Other(name),
        }
    }
}

impl From<&str> for MediaType {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<MediaType> for String {
    fn from(kind: MediaType) -> Self {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_media_type_reads_back_as_it_was_printed() {
        for (name, kind) in NAMES {
            assert_eq!(MediaType::from(*name), *kind);
            assert_eq!(kind.as_str(), *name);
        }
        assert_eq!(MediaType::from("text/plain").as_str(), "text/plain");
    }

    #[test]
    fn a_foreign_layer_is_a_layer() {
        for (alias, _) in ALIASES {
            assert!(MediaType::from(*alias).layer().is_some(), "{alias}");
        }
        assert_eq!(MediaType::OciConfig.layer(), None);
    }
}
