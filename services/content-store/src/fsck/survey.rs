//! What the records say, all of one moment.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use varve_core::labels::GC_REF_CONTENT;
use varve_core::{Digest, Namespace, Result, Timestamp};

use super::Look;
use crate::collect::graph::is_over;
use crate::collect::recount;
use crate::records::{Change, Noun, Sort, Stored, Target, View, edges, noun};

/// A blob, as a namespace refers to it.
pub type Place = (Namespace, Digest);

/// The records.
#[derive(Default)]
pub struct Survey {
    /// Blobs with a record, and in which namespaces.
    pub recorded: BTreeMap<Digest, Vec<Namespace>>,
    /// What is referred to, and the digests of what refers to it. An index refers to platforms that were
    /// never pulled.
    pub referred: BTreeMap<Place, Vec<Owner>>,
    /// Blobs that a lease holds: what they refer to may still be coming.
    pub leased: HashSet<Place>,
    /// Stored references that the records do not imply, and those that they imply and are not stored.
    pub excess: BTreeSet<Vec<u8>>,
    pub lacking: BTreeSet<Vec<u8>>,
}

/// Who refers to a blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    pub sort: Sort,
    pub name: String,
    /// What it refers to must be here.
    pub strict: bool,
}

impl Look {
    /// Reads all records. Blocks; writers wait for it.
    pub fn survey(&self) -> Result<Survey> {
        let now = varve_core::time::now();
        self.store.records.write_blocking(move |change| read(change, now))
    }
}

fn read(change: &mut Change<'_>, now: Timestamp) -> Result<Survey> {
    let mut survey = Survey::default();
    let mut implied = BTreeSet::new();
    for sort in Sort::ALL {
        for (noun, stored) in noun::list_all(change, sort)? {
            implied.extend(recount::keys(&noun, &stored));
            survey.take(&noun, &stored, now);
        }
    }
    let mut kept = BTreeSet::new();
    for prefix in [b"edge/".as_slice(), edges::HOLDERS] {
        kept.extend(change.scan(prefix)?.into_iter().map(|(key, _)| key));
    }
    survey.excess = kept.difference(&implied).cloned().collect();
    survey.lacking = implied.difference(&kept).cloned().collect();
    Ok(survey)
}

impl Survey {
    fn take(&mut self, noun: &Noun, stored: &Stored, now: Timestamp) {
        if noun.sort == Sort::Content
            && let Ok(digest) = noun.name.parse()
        {
            self.recorded.entry(digest).or_default().push(noun.namespace.clone());
        }
        let over = noun.sort == Sort::Lease && is_over(stored, now);
        for (label, target) in edges::outgoing(noun, stored) {
            let Target::Content(digest) = target else { continue };
            let place = (noun.namespace.clone(), digest);
            if noun.sort == Sort::Lease && !over {
                self.leased.insert(place.clone());
            }
            let owner =
                Owner { sort: noun.sort, name: noun.name.clone(), strict: is_strict(noun, &label) };
            self.referred.entry(place).or_default().push(owner);
        }
    }

    /// Whether the owner's own pull may still be going on.
    pub fn is_held(&self, namespace: &Namespace, owner: &Owner) -> bool {
        let digest = owner.name.parse().ok();
        digest.is_some_and(|digest| self.leased.contains(&(namespace.clone(), digest)))
    }
}

/// What a name points to must be here, and so must the config and the layers of a manifest. An index has
/// platforms that are not.
fn is_strict(noun: &Noun, label: &str) -> bool {
    let below = label.strip_prefix(GC_REF_CONTENT).unwrap_or_default();
    match noun.sort {
        Sort::Image => label.is_empty(),
        Sort::Content => below == ".config" || below.starts_with(".l."),
        _ => false,
    }
}
