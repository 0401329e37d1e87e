//! Ways to the readers of the store's records, for the fuzzing of them: never for production.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use varve_core::Result;

use crate::records::noun::{Noun, Sort, Stored, list_all};
use crate::records::{View, edges, values};

/// Records, as the database has them.
pub type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Reads all that `records` are of this store; answers how many nouns were found, and how many of
/// them had a value that could be read.
///
/// # Panics
/// Where a value that was read is another when it is written and read again.
pub fn read(records: &Records) -> (usize, usize) {
    let _ = records.keys().filter_map(|key| edges::owner(key)).count();
    let mut count = (0, 0);
    for sort in Sort::ALL {
        for (noun, stored) in list_all(records, sort).unwrap_or_default() {
            let edges = edges::outgoing(&noun, &stored);
            edges.iter().for_each(|(label, target)| drop(edges::key(&noun, label, target)));
            count.0 += 1;
            count.1 += usize::from(value(&noun, &stored));
        }
    }
    count
}

fn value(noun: &Noun, stored: &Stored) -> bool {
    match noun.sort {
        Sort::Content => same::<values::Content>(noun, &stored.value),
        Sort::Image => same::<values::Image>(noun, &stored.value),
        Sort::Container => same::<values::Container>(noun, &stored.value),
        Sort::Lease | Sort::Namespace => same::<values::Created>(noun, &stored.value),
    }
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(noun: &Noun, bytes: &[u8]) -> bool {
    let Ok(value) = values::decode::<T>(noun, bytes) else { return false };
    let again = values::encode(&value).and_then(|bytes| values::decode::<T>(noun, &bytes));
    assert_eq!(again.ok().as_ref(), Some(&value), "what is written of {noun:?} is read as it was");
    true
}

impl View for Records {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let from = self.range(prefix.to_vec()..);
        let under = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(under.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn any_key(&self, prefix: &[u8], is_it: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool> {
        let mut from = self.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(from.any(|(key, _)| is_it(key)))
    }
}
