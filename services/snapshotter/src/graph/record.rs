//! What the database holds of a snapshot, and under which keys.
//!
//! ```text
//! s/NAMESPACE/KEY            a snapshot: kind, parent, directory, times
//! l/NAMESPACE/DIR/LABEL      one of its labels (long names by their digest)
//! k/NAMESPACE/PARENT/CHILD   an edge between two of one namespace, by their directories
//! d/DIR                      a directory: how many snapshots share it, usage, whether it is synced
//! c/CHAINID                  the directory of a layer that was verified, for every namespace
//! ```

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use varve_core::snapshots::{Kind, Usage};
use varve_core::{ChainId, Digest, Error, Namespace, Result, Timestamp};

/// The number of a directory below `snapshots/`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct DirId(pub u64);

impl std::fmt::Display for DirId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of the records below: written as 1, and another is not read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct Format;

impl From<Format> for u8 {
    fn from(_: Format) -> Self {
        1
    }
}

impl TryFrom<u8> for Format {
    type Error = String;
    fn try_from(version: u8) -> Result<Self, String> {
        match version {
            1 => Ok(Self),
            other => Err(format!("format {other} is of a newer varve")),
        }
    }
}

/// A snapshot of one namespace; its key is in the record's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    v: Format,
    #[serde(with = "kind")]
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    pub dir: DirId,
    #[serde(with = "time")]
    pub created: Timestamp,
    #[serde(with = "time")]
    pub updated: Timestamp,
}

impl Snapshot {
    /// One that is made now.
    pub fn new(kind: Kind, parent: Option<String>, dir: DirId) -> Self {
        let now = varve_core::time::now();
        Self { v: Format, kind, parent, dir, created: now, updated: now }
    }
}

/// A directory, which snapshots of several namespaces may share once it is committed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Dir {
    v: Format,
    /// Snapshots that it belongs to.
    pub edges: u64,
    /// Since it was committed.
    #[serde(default, with = "usage", skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Of a layer that this snapshotter verified and can make again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainId>,
    /// All of it is on the disk.
    pub synced: bool,
    /// In which boot it was last written.
    pub boot: String,
}

impl Dir {
    /// A directory that one snapshot has.
    pub fn new(boot: &str) -> Self {
        let boot = boot.to_owned();
        Self { v: Format, edges: 1, usage: None, chain: None, synced: false, boot }
    }

    /// One that was committed now.
    pub fn committed(boot: &str, usage: Usage) -> Self {
        let mut dir = Self::new(boot);
        dir.usage = Some(usage);
        dir
    }

    /// One that holds a verified layer.
    pub fn layer(boot: &str, usage: Usage, chain: ChainId) -> Self {
        let mut dir = Self::committed(boot, usage);
        dir.chain = Some(chain);
        dir
    }
}

/// A label whose name may be too long for a key.
#[derive(Serialize, Deserialize)]
pub(crate) struct Label {
    pub name: String,
    pub value: String,
}

pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|e| Error::internal("encoding a record").with_source(e))
}

pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T> {
    serde_json::from_slice(value).map_err(|error| {
        let key = String::from_utf8_lossy(key);
        Error::data_loss(format!("the snapshotter's record {key} cannot be read"))
            .with_source(error)
    })
}

pub(crate) fn snapshot_key(namespace: &Namespace, key: &str) -> Vec<u8> {
    format!("s/{namespace}/{key}").into_bytes()
}

pub(crate) fn snapshots_of(namespace: &Namespace) -> Vec<u8> {
    format!("s/{namespace}/").into_bytes()
}

/// The namespace and key of a snapshot's record key.
pub(crate) fn parse_snapshot_key(key: &[u8]) -> Result<(Namespace, String)> {
    let bad = || Error::data_loss("a snapshot's record has a malformed key");
    let text = std::str::from_utf8(key).map_err(|_| bad())?;
    let (namespace, name) =
        text.strip_prefix("s/").and_then(|rest| rest.split_once('/')).ok_or_else(bad)?;
    Ok((namespace.parse()?, name.to_owned()))
}

pub(crate) fn labels_of(namespace: &Namespace, dir: DirId) -> Vec<u8> {
    format!("l/{namespace}/{:016x}/", dir.0).into_bytes()
}

pub(crate) fn label_key(namespace: &Namespace, dir: DirId, label: &str) -> Vec<u8> {
    const LONGEST: usize = 256;
    let mut key = labels_of(namespace, dir);
    match label.len() <= LONGEST {
        true => key.extend_from_slice(label.as_bytes()),
        false => key.extend_from_slice(Digest::of(label.as_bytes()).hex().as_bytes()),
    }
    key
}

pub(crate) fn children_of(namespace: &Namespace, parent: DirId) -> Vec<u8> {
    format!("k/{namespace}/{:016x}/", parent.0).into_bytes()
}

pub(crate) fn child_key(namespace: &Namespace, parent: DirId, child: DirId) -> Vec<u8> {
    format!("k/{namespace}/{:016x}/{:016x}", parent.0, child.0).into_bytes()
}

pub(crate) fn dir_key(dir: DirId) -> Vec<u8> {
    format!("d/{:016x}", dir.0).into_bytes()
}

/// The number in a directory's record key.
pub(crate) fn parse_dir_key(key: &[u8]) -> Result<DirId> {
    let hex = key.strip_prefix(b"d/").and_then(|hex| std::str::from_utf8(hex).ok());
    let id = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
    id.map(DirId).ok_or_else(|| Error::data_loss("a directory's record has a malformed key"))
}

pub(crate) fn chain_key(chain: ChainId) -> Vec<u8> {
    format!("c/{}", chain.0.hex()).into_bytes()
}

mod kind {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use varve_core::snapshots::Kind;

    pub fn serialize<S: Serializer>(kind: &Kind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Kind, D::Error> {
        let name = String::deserialize(from)?;
        [Kind::View, Kind::Active, Kind::Committed]
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| D::Error::custom(format!("unknown kind {name:?}")))
    }
}

mod time {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use varve_core::Timestamp;

    pub fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod usage {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use varve_core::snapshots::Usage;

    pub fn serialize<S: Serializer>(usage: &Option<Usage>, to: S) -> Result<S::Ok, S::Error> {
        usage.map(|usage| (usage.size, usage.inodes)).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Usage>, D::Error> {
        let pair = Option::<(u64, u64)>::deserialize(from)?;
        Ok(pair.map(|(size, inodes)| Usage { size, inodes }))
    }
}
