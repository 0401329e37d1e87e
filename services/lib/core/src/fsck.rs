//! Whether a store is sound: what is on disk against what the records say, and what is done about it.
//!
//! The content store looks at blobs and records, a snapshotter at its trees; each repairs by itself what
//! it can. A blob whose bytes are wrong can only be fetched again, which is the client's to ask for: until
//! then it is refused to whoever reads it.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::scope::{Namespace, Scope};
use crate::unpack::{Layer, Progress};

/// Most findings of one look; those beyond are counted.
pub const MOST: usize = 10_000;

/// A content store that can be looked at (varve.content.v1).
#[async_trait]
pub trait Fsck: Send + Sync {
    /// Looks at every blob and every record, of all namespaces. What is in the making is no finding. A
    /// blob that is found damaged is refused to readers from then on, whether it is repaired or not.
    /// Tells of the bytes that were hashed so far.
    async fn fsck(&self, how: How, progress: Progress) -> Result<Report>;
}

/// A snapshotter that can be looked at (varve.snapshots.v1).
#[async_trait]
pub trait Trees: Send + Sync {
    /// Compares records and directories, of all namespaces. Tells too what the last open dropped.
    async fn examine(&self, repair: bool) -> Result<Vec<Finding>>;

    /// Compares the snapshot [`Layer::chain_id`] with its blob, entry by entry and byte by byte; to
    /// `repair` puts a tree that is laid down anew in its place. NotFound where there is no such
    /// snapshot; FailedPrecondition where it was not made from a layer, or is to be repaired under an
    /// active snapshot or a view.
    async fn compare(
        &self,
        scope: &Scope,
        layer: Layer,
        repair: bool,
        progress: Progress,
    ) -> Result<Compared>;
}

/// How a store is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct How {
    pub depth: Depth,
    /// Do what can be done without a registry.
    pub repair: bool,
    /// Most bytes that are hashed in a second; 0 for as many as it can.
    pub bytes_per_second: u64,
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Depth {
    /// Records, sizes and times.
    Quick,
    /// That, and the digest of every blob.
    #[default]
    Full,
    /// The digest of every blob, and nothing else; begins at another blob each time.
    Scrub,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// Findings beyond [`MOST`].
    pub more: u64,
    /// Blobs that were looked at.
    pub blobs: u64,
    /// Bytes that were hashed.
    pub hashed: u64,
}

/// One thing that is not sound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    pub fault: Fault,
    /// `None` for what all namespaces share, as files are.
    pub namespace: Option<Namespace>,
    /// A digest, a snapshot's key, a directory.
    pub noun: String,
    /// What is wrong with it, for people.
    pub what: String,
    /// What was done about it; `None` where nothing was, yet.
    pub done: Option<String>,
}

/// A tree beside its layer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Compared {
    /// The first that were found, each a path and what differs there; none where it is sound.
    pub differences: Vec<String>,
    /// The tree is now as the layer has it.
    pub repaired: bool,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// The kinds of damage.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its word, on the wire and in what is printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

faults! {
    /// A blob's file has the size that it should, and other bytes.
    Flipped = "flipped",
    /// A blob's file has another size than it should.
    Cut = "cut",
    /// A blob's record is here, its file is not.
    NoBytes = "no-bytes",
    /// A blob's file is here, and no record tells of it.
    NoRecord = "no-record",
    /// Something refers to a blob that has neither.
    Missing = "missing",
    /// A stored reference is one that should not be, or is not one that should.
    Count = "count",
    /// Records were lost, and made anew from what else there is.
    Rebuilt = "rebuilt",
    /// A snapshot's record is here, its tree is not.
    NoTree = "no-tree",
    /// A tree is here, and no record tells of it.
    Orphan = "orphan",
    /// A snapshot was not yet on the disk when the machine went down.
    Unsynced = "unsynced",
    /// A snapshot's tree is not what its layer says.
    Differs = "differs",
    /// An image needs a snapshot that has neither.
    NoSnapshot = "no-snapshot",
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Fault {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let mut all = Self::ALL.iter().copied();
        let found = all.find(|fault| fault.as_str() == word);
        found.ok_or_else(|| Error::invalid(format!("{word:?} is no kind of damage")))
    }
}

impl Report {
    /// Adds one, or counts it.
    pub fn add(&mut self, finding: Finding) {
        match self.findings.len() < MOST {
            true => self.findings.push(finding),
            false => self.more += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_damage_is_known_by_its_word() {
        for fault in Fault::ALL {
            assert_eq!(fault.to_string().parse::<Fault>().unwrap(), *fault);
        }
        assert!("rust".parse::<Fault>().is_err());
    }

    #[test]
    fn a_report_is_bounded_and_counts_the_rest() {
        let mut report = Report::default();
        for n in 0..MOST + 3 {
            report.add(Finding {
                fault: Fault::Cut,
                namespace: None,
                noun: n.to_string(),
                what: String::new(),
                done: None,
            });
        }
        assert_eq!((report.findings.len(), report.more), (MOST, 3));
    }
}
