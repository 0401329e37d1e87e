//! Reading the graph: the same words on committed records and inside a transaction.

use std::collections::BTreeMap;

use varve_core::snapshots::{Info, Kind};
use varve_core::{ChainId, Error, Labels, Namespace, Result};
use varve_meta::{Db, Tx};

use super::record::{self, Dir, DirId, Label, Snapshot, decode};

/// Deepest stack that is followed: far beyond what a kernel mounts, so that a damaged record
/// cannot make a ring.
const DEEPEST: usize = 4096;

type Record = (Vec<u8>, Vec<u8>);

/// A snapshot's record with its key.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub namespace: Namespace,
    pub key: String,
    pub snapshot: Snapshot,
}

/// Whatever records can be read from.
pub(crate) trait Look {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;
    fn scan_raw(&self, prefix: &[u8]) -> Result<Vec<Record>>;

    /// The snapshot `key`, if there is one.
    fn find(&self, namespace: &Namespace, key: &str) -> Result<Option<Snapshot>> {
        let at = record::snapshot_key(namespace, key);
        self.get_raw(&at)?.map(|value| decode(&at, &value)).transpose()
    }

    /// The snapshot `key`, or NotFound.
    fn snapshot(&self, namespace: &Namespace, key: &str) -> Result<Snapshot> {
        self.find(namespace, key)?
            .ok_or_else(|| Error::not_found(format!("snapshot {key:?} does not exist")))
    }

    /// The committed snapshot `parent`: NotFound where there is none, InvalidArgument where it is
    /// of another kind.
    fn parent(&self, namespace: &Namespace, parent: &str) -> Result<Snapshot> {
        let snapshot = self.find(namespace, parent)?.ok_or_else(|| {
            Error::not_found(format!("the parent snapshot {parent:?} does not exist"))
        })?;
        match snapshot.kind {
            Kind::Committed => Ok(snapshot),
            kind => Err(Error::invalid(format!(
                "the parent snapshot {parent:?} is {}, not committed",
                kind.as_str().to_lowercase()
            ))),
        }
    }

    /// The directories of `parent` and of all that it is stacked on, top first.
    fn stack(&self, namespace: &Namespace, parent: Option<&str>) -> Result<Vec<DirId>> {
        let mut stack = Vec::new();
        let mut next = parent.map(str::to_owned);
        while let Some(key) = next.take() {
            let snapshot = self.parent(namespace, &key)?;
            stack.push(snapshot.dir);
            next = snapshot.parent;
            if stack.len() > DEEPEST {
                return Err(Error::data_loss(format!("snapshot {key:?} is stacked in a ring")));
            }
        }
        Ok(stack)
    }

    /// The directory's record.
    fn dir(&self, dir: DirId) -> Result<Dir> {
        let key = record::dir_key(dir);
        let value = self
            .get_raw(&key)?
            .ok_or_else(|| Error::data_loss(format!("the record of directory {dir} is missing")))?;
        decode(&key, &value)
    }

    /// Every directory's record.
    fn dirs(&self) -> Result<Vec<(DirId, Dir)>> {
        let read = |(key, value): Record| Ok((record::parse_dir_key(&key)?, decode(&key, &value)?));
        self.scan_raw(b"d/")?.into_iter().map(read).collect()
    }

    /// The directory of a layer that was verified, in whatever namespace.
    fn published(&self, chain: ChainId) -> Result<Option<DirId>> {
        let key = record::chain_key(chain);
        self.get_raw(&key)?.map(|value| decode(&key, &value)).transpose()
    }

    /// The snapshot's labels.
    fn labels(&self, namespace: &Namespace, dir: DirId) -> Result<Labels> {
        let read = |(key, value): Record| {
            decode::<Label>(&key, &value).map(|label| (label.name, label.value))
        };
        self.scan_raw(&record::labels_of(namespace, dir))?.into_iter().map(read).collect()
    }

    /// The facts of a snapshot.
    fn info(&self, namespace: &Namespace, key: &str) -> Result<Info> {
        let snapshot = self.snapshot(namespace, key)?;
        let labels = self.labels(namespace, snapshot.dir)?;
        Ok(facts(key.to_owned(), snapshot, labels))
    }

    /// The facts of every snapshot of a namespace, by key.
    fn infos(&self, namespace: &Namespace) -> Result<Vec<Info>> {
        let seen = self.all(&record::snapshots_of(namespace))?;
        let mut labels = self.all_labels(namespace)?;
        let info = |seen: Seen| {
            let labels = labels.remove(&seen.snapshot.dir).unwrap_or_default();
            facts(seen.key, seen.snapshot, labels)
        };
        Ok(seen.into_iter().map(info).collect())
    }

    /// Every snapshot of every namespace.
    fn everything(&self) -> Result<Vec<Seen>> {
        self.all(b"s/")
    }

    /// Every snapshot of a namespace, without labels.
    fn of(&self, namespace: &Namespace) -> Result<Vec<Seen>> {
        self.all(&record::snapshots_of(namespace))
    }

    /// The snapshots whose record keys begin with `prefix`.
    fn all(&self, prefix: &[u8]) -> Result<Vec<Seen>> {
        let read = |(at, value): Record| {
            let (namespace, key) = record::parse_snapshot_key(&at)?;
            Ok(Seen { namespace, key, snapshot: decode(&at, &value)? })
        };
        self.scan_raw(prefix)?.into_iter().map(read).collect()
    }

    /// Every label of a namespace, by the directory of its snapshot.
    fn all_labels(&self, namespace: &Namespace) -> Result<BTreeMap<DirId, Labels>> {
        let prefix = format!("l/{namespace}/");
        let mut all = BTreeMap::<DirId, Labels>::new();
        for (key, value) in self.scan_raw(prefix.as_bytes())? {
            let label: Label = decode(&key, &value)?;
            let hex = key.get(prefix.len()..prefix.len() + 16).unwrap_or_default();
            let number =
                std::str::from_utf8(hex).ok().and_then(|h| u64::from_str_radix(h, 16).ok());
            let dir = number.ok_or_else(|| Error::data_loss("a label's key is malformed"))?;
            all.entry(DirId(dir)).or_default().insert(label.name, label.value);
        }
        Ok(all)
    }
}

fn facts(name: String, snapshot: Snapshot, labels: Labels) -> Info {
    Info {
        kind: snapshot.kind,
        name,
        parent: snapshot.parent,
        labels,
        created_at: snapshot.created,
        updated_at: snapshot.updated,
    }
}

impl Look for Db {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get(key)
    }

    fn scan_raw(&self, prefix: &[u8]) -> Result<Vec<Record>> {
        self.scan(prefix)
    }
}

impl Look for Tx {
    fn get_raw(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get(key)
    }

    fn scan_raw(&self, prefix: &[u8]) -> Result<Vec<Record>> {
        self.scan(prefix)
    }
}
