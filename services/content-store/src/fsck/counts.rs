//! Stored references that differ from those that the records imply.

use std::collections::HashSet;

use varve_core::fsck::{Fault, Report};
use varve_core::{Digest, Result};

use super::Look;
use super::survey::Survey;
use crate::collect::recount;
use crate::index::{self, Entries};
use crate::rebuild::repair_edges;
use crate::records::edges;

impl Look {
    /// A finding for each reference that is wrong. What is wrong because a record is lost, whose blob is
    /// here, is that finding's.
    pub async fn counts(
        &self,
        survey: &Survey,
        adopted: &HashSet<Digest>,
        report: &mut Report,
    ) -> Result<()> {
        let lost = |key: &Vec<u8>| edges::owner(key).is_some_and(|owner| adopted.contains(&owner));
        let excess = survey.excess.iter().filter(|key| !lost(key));
        let excess = excess.map(|key| (key, "is counted, and nobody has it"));
        let lacking = survey.lacking.iter().map(|key| (key, "is not counted"));
        let mut findings: Vec<_> = excess
            .chain(lacking)
            .map(|(key, what)| {
                let what = format!("the reference {what}");
                Self::finding(Fault::Count, None, recount::show(key), what)
            })
            .collect();
        if self.how.repair && !(survey.excess.is_empty() && survey.lacking.is_empty()) {
            self.recount().await?;
            findings.iter_mut().for_each(|one| one.done = Some("counted anew".into()));
        }
        findings.into_iter().for_each(|finding| report.add(finding));
        Ok(())
    }

    async fn recount(&self) -> Result<()> {
        let written = self.store.records.write(|change| {
            repair_edges(change)?;
            index::bump(change, &varve_core::Namespace::default(), Entries::All)
        });
        match written.await? {
            Some(generation) => self.store.project(generation).await,
            None => Ok(()),
        }
    }
}
