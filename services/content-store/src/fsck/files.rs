//! Files that no record tells of, and blobs that are referred to and not here.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use varve_core::fsck::{Fault, Report};
use varve_core::{Digest, Namespace, Result};

use super::Look;
use super::survey::{Owner, Survey};
use crate::index::{self, Entries};
use crate::rebuild::{Found, adopt};
use crate::records::{Noun, Sort, blocking, noun};

/// How long a file may still be there after its record went, before nobody is removing it.
const PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(50);

impl Look {
    /// Files without a record: recorded anew where something refers to them, else removed. Answers those
    /// that have, or would have, a record again.
    pub async fn files(&self, survey: &Survey, report: &mut Report) -> Result<HashSet<Digest>> {
        let mut adopted = HashSet::new();
        for digest in self.unrecorded().await? {
            let homes: Vec<Namespace> = survey
                .referred
                .keys()
                .filter(|place| place.1 == digest)
                .map(|p| p.0.clone())
                .collect();
            let store = Arc::clone(&self.store);
            let found = blocking(move || store.examine(digest)).await?;
            match found.filter(|_| !homes.is_empty()) {
                Some(found) => {
                    adopted.insert(digest);
                    self.adopt(digest, found, homes, report).await?;
                }
                None if homes.is_empty() => self.drop_file(digest, report).await?,
                // Its bytes are of no use: what refers to it will miss it.
                None if self.how.repair => drop(self.store.remove_files(vec![digest]).await?),
                None => {}
            }
        }
        Ok(adopted)
    }

    /// Those that stay without a record: whoever removes a blob takes its record first.
    async fn unrecorded(&self) -> Result<Vec<Digest>> {
        // A collection removes its files long after their records.
        let _collecting = self.store.collecting.lock().await;
        let mut files = self.without_record().await?;
        let mut waited = Duration::ZERO;
        while !files.is_empty() && waited < PATIENCE {
            sleep(POLL).await;
            waited += POLL;
            let still: HashSet<Digest> = self.without_record().await?.into_iter().collect();
            files.retain(|digest| still.contains(digest));
        }
        Ok(files)
    }

    /// Decided while nobody puts files in place, and nothing comes to be shown.
    async fn without_record(&self) -> Result<Vec<Digest>> {
        let shown = self.store.index.lock().await;
        let mut ours: HashSet<Digest> = shown.derived.union(&shown.dropped).copied().collect();
        let _alone = self.store.placing.write().await;
        let layout = self.store.layout.clone();
        let read = self.store.records.read(move |db| {
            let recorded = noun::list_all(db, Sort::Content)?.into_iter();
            ours.extend(recorded.filter_map(|(noun, _)| noun.name.parse::<Digest>().ok()));
            let mut files = layout.list_blobs()?;
            files.retain(|digest| !ours.contains(digest));
            files.sort();
            Ok(files)
        });
        read.await
    }

    async fn adopt(
        &self,
        digest: Digest,
        found: Found,
        homes: Vec<Namespace>,
        report: &mut Report,
    ) -> Result<()> {
        let what = "its file is here, and no record tells of it".to_owned();
        let home = homes.first().cloned();
        let mut finding = Self::finding(Fault::NoRecord, home.as_ref(), digest, what);
        if self.how.repair {
            let written = self.store.records.write(move |change| {
                homes.iter().try_for_each(|home| adopt(change, home, &found))?;
                index::bump(change, &Namespace::default(), Entries::All)
            });
            if let Some(generation) = written.await? {
                self.store.project(generation).await?;
            }
            finding.done = Some("hashed, and recorded anew".into());
        }
        report.add(finding);
        Ok(())
    }

    async fn drop_file(&self, digest: Digest, report: &mut Report) -> Result<()> {
        let what = "no record tells of its file, and nothing refers to it".to_owned();
        let mut finding = Self::finding(Fault::NoRecord, None, digest, what);
        if self.how.repair {
            let bytes = self.store.remove_files(vec![digest]).await?;
            finding.done = Some(format!("removed, {bytes} bytes"));
        }
        report.add(finding);
        Ok(())
    }

    /// Blobs that must be here for what refers to them, and have no record.
    pub async fn missing(
        &self,
        survey: &Survey,
        adopted: &HashSet<Digest>,
        report: &mut Report,
    ) -> Result<()> {
        for ((namespace, digest), owners) in &survey.referred {
            let recorded = survey.recorded.get(digest).is_some_and(|all| all.contains(namespace));
            if recorded || adopted.contains(digest) || self.is_coming(digest) {
                continue;
            }
            let misses = |owner: &&Owner| owner.strict && !survey.is_held(namespace, owner);
            let Some(owner) = owners.iter().find(misses) else { continue };
            if self.is_still_missing(namespace.clone(), *digest, owner.clone()).await? {
                let what = format!("it is not here, and {} needs it", owner.told());
                report.add(Self::finding(Fault::Missing, Some(namespace), digest, what));
            }
        }
        Ok(())
    }

    async fn is_still_missing(
        &self,
        namespace: Namespace,
        digest: Digest,
        owner: Owner,
    ) -> Result<bool> {
        let read = self.store.records.read(move |db| {
            let owner = Noun::new(owner.sort, &namespace, owner.name);
            let here = Noun::content(&namespace, &digest).is_in(db)?;
            Ok(!here && owner.is_in(db)?)
        });
        read.await
    }
}

impl Owner {
    fn told(&self) -> String {
        let word = match self.sort {
            Sort::Content => "blob",
            other => other.as_str(),
        };
        format!("{word} {}", self.name)
    }
}
