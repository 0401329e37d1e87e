//! Trees that no record tells of.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::Duration;

use varve_core::Result;
use varve_core::fsck::{Fault, Finding};

use crate::drivers::Driver;
use crate::graph::{DirId, Look};
use crate::service::Inner;

/// How long a directory may still be there after its record went, before nobody is removing it.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(50);

impl<D: Driver> Inner<D> {
    /// Directories without a record. To `repair` removes them, as an open does.
    pub(super) fn trees_without_record(&self, repair: bool) -> Result<Vec<Finding>> {
        let mut orphans = self.unknown()?;
        let mut waited = Duration::ZERO;
        while !orphans.is_empty() && waited < PATIENCE {
            sleep(POLL);
            waited += POLL;
            let still = self.unknown()?;
            orphans.retain(|id| still.contains(id));
        }
        let mut findings = Vec::new();
        for id in orphans {
            let path = self.places.snapshot(id);
            if repair {
                self.places.discard(id);
            }
            findings.push(Finding {
                fault: Fault::Orphan,
                namespace: None,
                noun: path.display().to_string(),
                what: "no record tells of this tree".into(),
                done: repair.then(|| "removed".to_owned()),
            });
        }
        Ok(findings)
    }

    /// In this order: what is on its way is still owned, or recorded already.
    fn unknown(&self) -> Result<Vec<DirId>> {
        let mut there = self.places.snapshots()?;
        let owned = self.places.owned_now();
        let all = self.db.everything()?.into_iter();
        let known: HashSet<DirId> = all.map(|seen| seen.snapshot.dir).collect();
        there.retain(|id| !owned.contains(id) && !known.contains(id));
        there.sort();
        Ok(there)
    }
}
