//! Snapshots whose trees are gone, and directories that are counted wrongly.

use varve_core::Result;
use varve_core::fsck::{Fault, Finding};

use crate::drivers::{Driver, TREE};
use crate::graph::Look;
use crate::service::Inner;

impl<D: Driver> Inner<D> {
    /// What the open dropped, until somebody is told.
    pub(super) fn take_settled(&self) -> Vec<Finding> {
        let mut settled = self.settled.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut settled)
    }

    /// Records whose directory, or its tree, is not there. A layer's is laid down anew by whoever compares
    /// it.
    pub(super) fn records_without_tree(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for seen in self.db.everything()? {
            let tree = self.places.snapshot(seen.snapshot.dir).join(TREE);
            if tree.is_dir() {
                continue;
            }
            // Removed while we looked, it is no finding.
            let still = self.db.find(&seen.namespace, &seen.key)?;
            if still.is_none_or(|still| still.dir != seen.snapshot.dir) {
                continue;
            }
            findings.push(Finding {
                fault: Fault::NoTree,
                namespace: Some(seen.namespace),
                noun: seen.key,
                what: format!("its tree {} is missing", tree.display()),
                done: None,
            });
        }
        Ok(findings)
    }

    pub(super) fn wrong_counts(&self, repair: bool) -> Result<Vec<Finding>> {
        let wrong = self.recount(repair)?.into_iter();
        let finding = |(dir, counted, have)| Finding {
            fault: Fault::Count,
            namespace: None,
            noun: self.places.snapshot(dir).display().to_string(),
            what: format!("it is counted {counted} times, and {have} snapshots have it"),
            done: repair.then(|| "counted anew".to_owned()),
        };
        Ok(wrong.map(finding).collect())
    }
}
