//! The recount: every stored edge against those that the records imply.

use std::collections::BTreeSet;

use varve_core::{Digest, Result};

use crate::records::{Noun, Sort, Stored, View, edges, noun};

/// A line for each difference; none where all agrees.
pub fn recount(view: &impl View) -> Result<Vec<String>> {
    let mut implied = BTreeSet::new();
    for sort in Sort::ALL {
        for (noun, stored) in noun::list_all(view, sort)? {
            implied.extend(keys(&noun, &stored));
        }
    }
    let mut stored = BTreeSet::new();
    for prefix in [b"edge/".as_slice(), b"holder/"] {
        stored.extend(view.scan(prefix)?.into_iter().map(|(key, _)| key));
    }
    let missing = implied.difference(&stored).map(|key| format!("missing {}", show(key)));
    let excess = stored.difference(&implied).map(|key| format!("nobody's {}", show(key)));
    Ok(missing.chain(excess).collect())
}

/// The keys of all that is stored because of a noun.
pub fn keys(noun: &Noun, stored: &Stored) -> Vec<Vec<u8>> {
    let targets = edges::outgoing(noun, stored);
    let keys = targets.iter().map(|(label, target)| edges::key(noun, label, target));
    keys.chain(holder(noun)).collect()
}

fn holder(noun: &Noun) -> Option<Vec<u8>> {
    if noun.sort != Sort::Content {
        return None;
    }
    noun.name.parse::<Digest>().ok().map(|digest| edges::holder_key(&digest, &noun.namespace))
}

/// A key, for people.
pub fn show(key: &[u8]) -> String {
    String::from_utf8_lossy(key).replace('\0', " ")
}
