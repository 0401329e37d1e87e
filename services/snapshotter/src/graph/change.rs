//! Changing the graph: one function a transaction.

use varve_core::snapshots::{Info, Kind, Usage};
use varve_core::{ChainId, Error, Labels, Mask, Namespace, Result, labels, time};
use varve_meta::Tx;

use super::Look;
use super::record::{self, Dir, DirId, Label, Snapshot, encode};

/// Longest key or name of a snapshot, in bytes; containerd's are chain ids or container ids.
const LONGEST_KEY: usize = 512;

/// A snapshot that is about to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub namespace: Namespace,
    pub key: String,
    pub parent: Option<String>,
    /// The parent's directory that was read for it, where it was.
    pub on: Option<DirId>,
    pub kind: Kind,
    pub labels: Labels,
}

impl New {
    /// Refuses keys and labels that no record can hold.
    pub fn check(&self) -> Result<()> {
        check_key(&self.key)?;
        labels::check(&self.labels)
    }

    fn record(&self, dir: DirId) -> Snapshot {
        Snapshot::new(self.kind, self.parent.clone(), dir)
    }
}

pub(crate) fn check_key(key: &str) -> Result<()> {
    match key.len() {
        0 => Err(Error::invalid("a snapshot's key must not be empty")),
        len if len > LONGEST_KEY => {
            let start: String = key.chars().take(64).collect();
            Err(Error::invalid(format!(
                "snapshot key {start}… has {len} bytes, more than {LONGEST_KEY}"
            )))
        }
        _ => Ok(()),
    }
}

/// The transactions.
pub(crate) trait Change {
    /// Records a snapshot in a directory of its own that is on disk already.
    fn create(&mut self, new: &New, dir: DirId, boot: &str) -> Result<()>;
    /// Records a verified layer, committed; its directory is for every namespace from now on, where the one that it
    /// stands on is.
    fn publish(&mut self, new: &New, dir: DirId, facts: Dir) -> Result<()>;
    /// Records a layer that another namespace has. `None` where none has it.
    fn share(&mut self, new: &New, chain: ChainId) -> Result<Option<Usage>>;
    /// Turns the active snapshot `key` into the committed one `name`.
    fn commit(&mut self, key: &str, new: &New, facts: Dir) -> Result<()>;
    /// Changes labels, answers the new facts.
    fn relabel(&mut self, ns: &Namespace, key: &str, new: &Labels, mask: &Mask) -> Result<Info>;
    /// Forgets a snapshot that has no children; answers its directory where nothing needs it now.
    fn forget(&mut self, ns: &Namespace, key: &str) -> Result<Option<DirId>>;
    /// Forgets a directory that no snapshot has.
    fn forget_dir(&mut self, dir: DirId) -> Result<()>;
    /// Whether a snapshot is stacked on this one.
    fn has_child(&self, ns: &Namespace, dir: DirId) -> Result<bool>;
}

impl Change for Tx {
    fn create(&mut self, new: &New, dir: DirId, boot: &str) -> Result<()> {
        add(self, new, dir)?;
        self.put(&record::dir_key(dir), encode(&Dir::new(boot))?)
    }

    fn publish(&mut self, new: &New, dir: DirId, facts: Dir) -> Result<()> {
        add(self, new, dir)?;
        if let Some(chain) = facts.chain
            && stands_on_verified(self, new)?
        {
            self.put(&record::chain_key(chain), encode(&dir)?)?;
        }
        self.put(&record::dir_key(dir), encode(&facts)?)
    }

    fn share(&mut self, new: &New, chain: ChainId) -> Result<Option<Usage>> {
        let Some(id) = self.published(chain)? else { return Ok(None) };
        let mut dir = self.dir(id)?;
        add(self, new, id)?;
        dir.edges += 1;
        self.put(&record::dir_key(id), encode(&dir)?)?;
        Ok(Some(dir.usage.unwrap_or_default()))
    }

    fn commit(&mut self, key: &str, new: &New, facts: Dir) -> Result<()> {
        unused(self, &new.namespace, &new.key)?;
        let snapshot = self.snapshot(&new.namespace, key)?;
        check_active(key, &snapshot)?;
        let committed = Snapshot::new(Kind::Committed, snapshot.parent, snapshot.dir);
        self.delete(&record::snapshot_key(&new.namespace, key))?;
        self.put(&record::snapshot_key(&new.namespace, &new.key), encode(&committed)?)?;
        put_labels(self, &new.namespace, snapshot.dir, &new.labels)?;
        self.put(&record::dir_key(snapshot.dir), encode(&facts)?)
    }

    fn relabel(&mut self, ns: &Namespace, key: &str, new: &Labels, mask: &Mask) -> Result<Info> {
        let mut snapshot = self.snapshot(ns, key)?;
        let mut labels = self.labels(ns, snapshot.dir)?;
        mask.apply_labels(&mut labels, new)?;
        labels::check(&labels)?;
        put_labels(self, ns, snapshot.dir, &labels)?;
        // Two updates within one tick of the clock still raise it.
        snapshot.updated = time::now().max(snapshot.updated + jiff::SignedDuration::from_nanos(1));
        self.put(&record::snapshot_key(ns, key), encode(&snapshot)?)?;
        self.info(ns, key)
    }

    fn forget(&mut self, ns: &Namespace, key: &str) -> Result<Option<DirId>> {
        let snapshot = self.snapshot(ns, key)?;
        if self.has_child(ns, snapshot.dir)? {
            return Err(Error::precondition(format!(
                "cannot remove snapshot with child: {key:?} has another stacked on it"
            )));
        }
        put_labels(self, ns, snapshot.dir, &Labels::new())?;
        self.delete(&record::snapshot_key(ns, key))?;
        if let Some(parent) = &snapshot.parent
            && let Some(parent) = self.find(ns, parent)?
        {
            self.delete(&record::child_key(ns, parent.dir, snapshot.dir))?;
        }
        release(self, snapshot.dir)
    }

    fn forget_dir(&mut self, id: DirId) -> Result<()> {
        let mut dir = self.dir(id)?;
        dir.edges = 0;
        self.put(&record::dir_key(id), encode(&dir)?)?;
        release(self, id).map(drop)
    }

    fn has_child(&self, ns: &Namespace, dir: DirId) -> Result<bool> {
        Ok(self.first(&record::children_of(ns, dir))?.is_some())
    }
}

/// FailedPrecondition where the snapshot cannot be committed.
pub(crate) fn check_active(key: &str, snapshot: &Snapshot) -> Result<()> {
    match snapshot.kind {
        Kind::Active => Ok(()),
        kind => Err(Error::precondition(format!(
            "snapshot {key:?} is {}, not active",
            kind.as_str().to_lowercase()
        ))),
    }
}

/// AlreadyExists where the key is used.
pub(crate) fn unused(look: &impl Look, namespace: &Namespace, key: &str) -> Result<()> {
    match look.find(namespace, key)? {
        Some(_) => Err(Error::already_exists(format!("snapshot {key:?} exists already"))),
        None => Ok(()),
    }
}

/// Adds the record of `new` in `dir` with its labels and its edge.
fn add(tx: &mut Tx, new: &New, dir: DirId) -> Result<()> {
    unused(tx, &new.namespace, &new.key)?;
    if let Some(parent) = &new.parent {
        let name = parent;
        let parent = tx.parent(&new.namespace, name)?;
        if new.on.is_some_and(|read| read != parent.dir) {
            return Err(Error::aborted(format!(
                "the parent snapshot {name:?} was removed and made anew meanwhile; begin again"
            )));
        }
        tx.put(&record::child_key(&new.namespace, parent.dir, dir), b"1".to_vec())?;
    }
    tx.put(&record::snapshot_key(&new.namespace, &new.key), encode(&new.record(dir))?)?;
    put_labels(tx, &new.namespace, dir, &new.labels)
}

/// Whether what a layer stands on, of which it took what it has from below, is what its chain id says. A parent is found
/// by its name, and a client may have committed anything by that.
fn stands_on_verified(tx: &Tx, new: &New) -> Result<bool> {
    let Some(parent) = &new.parent else { return Ok(true) };
    let below = tx.parent(&new.namespace, parent)?.dir;
    let chain = ChainId(parent.parse()?);
    Ok(tx.published(chain)? == Some(below))
}

/// Makes `labels` the labels, touching only those that differ.
fn put_labels(tx: &mut Tx, namespace: &Namespace, dir: DirId, labels: &Labels) -> Result<()> {
    for gone in tx.labels(namespace, dir)?.keys().filter(|name| !labels.contains_key(*name)) {
        tx.delete(&record::label_key(namespace, dir, gone))?;
    }
    for (name, value) in labels {
        let label = Label { name: name.clone(), value: value.clone() };
        tx.put(&record::label_key(namespace, dir, name), encode(&label)?)?;
    }
    Ok(())
}

/// Takes one edge from a directory; answers it where that was the last.
fn release(tx: &mut Tx, id: DirId) -> Result<Option<DirId>> {
    let mut dir = tx.dir(id)?;
    dir.edges = dir.edges.saturating_sub(1);
    if dir.edges > 0 {
        tx.put(&record::dir_key(id), encode(&dir)?)?;
        return Ok(None);
    }
    if let Some(chain) = dir.chain
        && tx.published(chain)? == Some(id)
    {
        tx.delete(&record::chain_key(chain))?;
    }
    tx.delete(&record::dir_key(id))?;
    Ok(Some(id))
}
