//! What the records hold, as JSON with a format version, so that an export can be read by people.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use varve_core::{Descriptor, Error, Result, Timestamp};

use super::noun::Noun;

const FORMAT: u32 = 1;

/// A blob, as one namespace has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Content {
    pub size: u64,
    #[serde(with = "stamp")]
    pub created: Timestamp,
    #[serde(with = "stamp")]
    pub updated: Timestamp,
    /// When its file was last written, as the file system has it, in nanoseconds; none in records from
    /// before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<i64>,
}

/// What tells a blob's file from one that was touched since its bytes were hashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seal {
    pub size: u64,
    pub mtime: Option<i64>,
}

impl Content {
    /// A blob that is recorded now.
    pub fn new(seal: Seal) -> Self {
        let now = varve_core::time::now();
        Self { size: seal.size, created: now, updated: now, mtime: seal.mtime }
    }

    pub fn seal(&self) -> Seal {
        Seal { size: self.size, mtime: self.mtime }
    }
}

impl Seal {
    pub fn of(facts: &Metadata) -> Self {
        let mtime = facts.mtime().checked_mul(1_000_000_000);
        let mtime = mtime.and_then(|nanos| nanos.checked_add(facts.mtime_nsec()));
        Self { size: facts.len(), mtime }
    }

    /// Whether a file that is now like this is still what this was made of.
    pub fn holds(&self, now: &Self) -> bool {
        self.size == now.size && self.mtime.is_none_or(|mtime| now.mtime == Some(mtime))
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Image {
    pub target: Descriptor,
    #[serde(with = "stamp")]
    pub created: Timestamp,
    #[serde(with = "stamp")]
    pub updated: Timestamp,
}

/// A lease, or the record of a namespace that was created.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Created {
    #[serde(with = "stamp")]
    pub created: Timestamp,
}

/// A container, without what is in its body.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Container {
    pub image: String,
    pub runtime: String,
    pub snapshotter: String,
    pub snapshot_key: String,
    #[serde(with = "stamp")]
    pub created: Timestamp,
    #[serde(with = "stamp")]
    pub updated: Timestamp,
    /// The name of the file under `containers/` with options, spec and extensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

#[derive(Serialize)]
struct Out<'a, T> {
    v: u32,
    #[serde(flatten)]
    value: &'a T,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

/// The bytes of a value.
pub fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    let internal = |error| Error::internal("a record cannot be written").with_source(error);
    serde_json::to_vec(&Out { v: FORMAT, value }).map_err(internal)
}

/// How the bytes of a value of this format begin, as [`encode`] writes them.
const BEGINNING: &[u8] = b"{\"v\":1,";

/// The value of `noun`'s record. DataLoss where it cannot be read.
pub fn decode<T: DeserializeOwned>(noun: &Noun, bytes: &[u8]) -> Result<T> {
    let lost = |why: String| {
        Error::data_loss(format!("the record of {} {}: {why}", noun.sort.as_str(), noun.name))
    };
    // Thousands are read for a list: only one that begins otherwise is read twice.
    if !bytes.starts_with(BEGINNING) {
        let version: Version = serde_json::from_slice(bytes).map_err(|e| lost(e.to_string()))?;
        if version.v != FORMAT {
            return Err(lost(format!(
                "has format {}, want {FORMAT}; use a newer varve",
                version.v
            )));
        }
    }
    serde_json::from_slice(bytes).map_err(|error| lost(error.to_string()))
}

/// Times as RFC 3339.
pub mod stamp {
    use serde::{Deserialize, Deserializer, Serializer};
    use varve_core::Timestamp;

    pub fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use varve_core::{Kind, Namespace};

    use super::super::noun::Sort;
    use super::*;

    #[test]
    fn what_is_written_is_read_at_once_and_another_format_is_refused() {
        let noun = Noun::new(Sort::Lease, &Namespace::default(), "a");
        let value = Created { created: varve_core::time::now() };
        let bytes = encode(&value).unwrap();
        assert!(bytes.starts_with(BEGINNING));
        assert_eq!(decode::<Created>(&noun, &bytes).unwrap(), value);
        let newer = String::from_utf8(bytes).unwrap().replace("\"v\":1,", "\"v\":2,");
        let error = decode::<Created>(&noun, newer.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::DataLoss);
        assert!(error.to_string().contains("use a newer varve"), "{error}");
    }
}
