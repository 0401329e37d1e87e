//! One operation's view: committed records, under the pending changes of its group, under its own.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use varve_core::{Error, Result};

use crate::db::Core;
use crate::record;

/// Changes not yet committed: a payload, or `None` for a record that goes.
pub(crate) type Pending = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// What an operation reads and writes. All of its changes are kept, or, when it returns an error,
/// none.
pub struct Tx {
    core: Arc<Core>,
    group: Pending,
    own: Pending,
    full: bool,
}

impl Tx {
    /// A view for the first operation of a group; on a full disk it only deletes.
    pub(crate) fn new(core: Arc<Core>, full: bool) -> Self {
        Self { core, group: Pending::new(), own: Pending::new(), full }
    }

    /// Ends the operation that ran: its changes join the group's, or are forgotten.
    pub(crate) fn settle(&mut self, keep: bool) {
        let own = std::mem::take(&mut self.own);
        if keep {
            self.group.extend(own);
        }
    }

    /// The changes of the whole group.
    pub(crate) fn into_changes(self) -> Pending {
        self.group
    }

    /// The value of `key`; DataLoss, naming the key, where it is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.pending(key) {
            Some(value) => Ok(value.clone()),
            None => self.core.get(key),
        }
    }

    /// Every record whose key begins with `prefix`, sorted.
    pub fn scan(&self, prefix: &[u8]) -> Result<Vec<Record>> {
        let mut records: BTreeMap<_, _> = self.core.scan(prefix)?.into_iter().collect();
        for layer in [&self.group, &self.own] {
            for (key, value) in under(layer, prefix) {
                match value {
                    Some(value) => records.insert(key.clone(), value.clone()),
                    None => records.remove(key),
                };
            }
        }
        Ok(records.into_iter().collect())
    }

    /// The first record whose key begins with `prefix`.
    pub fn first(&self, prefix: &[u8]) -> Result<Option<Record>> {
        let committed = self.committed_end(prefix, false)?;
        Ok(self.pending_under(prefix).into_iter().chain(committed).min())
    }

    /// Whether `is_it` says so of the key of any record that begins with `prefix`.
    pub fn any_key(&self, prefix: &[u8], is_it: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool> {
        if self.pending_under(prefix).iter().any(|(key, _)| is_it(key)) {
            return Ok(true);
        }
        let mut found = false;
        self.core.walk(prefix, false, &mut |key, _| {
            found = self.pending(key).is_none() && is_it(key);
            !found
        })?;
        Ok(found)
    }

    /// The last record whose key begins with `prefix`: the highest id, where keys end in one of
    /// fixed width, big endian.
    pub fn last(&self, prefix: &[u8]) -> Result<Option<Record>> {
        let committed = self.committed_end(prefix, true)?;
        Ok(self.pending_under(prefix).into_iter().chain(committed).max())
    }

    /// Sets `key`, at most [`crate::MAX_KEY`] bytes and not beginning with a zero byte, to `value`,
    /// at most [`crate::MAX_VALUE`] bytes.
    pub fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<()> {
        record::check_key(key)?;
        record::check_value(key, &value)?;
        if self.full {
            return Err(Error::exhausted(format!(
                "the disk of {} is full: the record {} cannot be written; free some space",
                self.core.dir().display(),
                record::show(key)
            )));
        }
        self.own.insert(key.to_vec(), Some(value));
        Ok(())
    }

    /// Removes `key`; it need not be there. Works on a full disk, so that a collector can.
    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        record::check_key(key)?;
        self.own.insert(key.to_vec(), None);
        Ok(())
    }

    /// A change of a key that is this crate's own.
    pub(crate) fn set_reserved(&mut self, key: &[u8], value: Option<Vec<u8>>) {
        self.own.insert(key.to_vec(), value);
    }

    fn pending(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.own.get(key).or_else(|| self.group.get(key))
    }

    fn pending_under(&self, prefix: &[u8]) -> Vec<Record> {
        let keys = under(&self.group, prefix).chain(under(&self.own, prefix)).map(|(key, _)| key);
        let live = |key: &Vec<u8>| Some((key.clone(), self.pending(key)?.clone()?));
        keys.filter_map(live).collect()
    }

    /// The first or last committed record that no pending change hides.
    fn committed_end(&self, prefix: &[u8], last: bool) -> Result<Option<Record>> {
        let mut found = None;
        self.core.walk(prefix, last, &mut |key, value| {
            if self.pending(key).is_none() {
                found = Some((key.to_vec(), value.to_vec()));
            }
            found.is_none()
        })?;
        Ok(found)
    }
}

fn under<'a>(
    layer: &'a Pending,
    prefix: &'a [u8],
) -> impl Iterator<Item = (&'a Vec<u8>, &'a Option<Vec<u8>>)> {
    let from = (Bound::Included(prefix), Bound::Unbounded);
    layer.range::<[u8], _>(from).take_while(move |(key, _)| key.starts_with(prefix))
}
