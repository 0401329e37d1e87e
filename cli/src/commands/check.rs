//! `varve check`: whether images are whole here.

mod blobs;
mod examine;
mod inventory;
mod problem;
mod subject;

use std::collections::{BTreeMap, HashSet};

use clap::Args;
use serde::Serialize;
use varve_core::images::Image as Named;
use varve_core::{Digest, Platform, Result, ResultExt, Scope};

use crate::failure::{self, Failure};
use crate::find;
use crate::output::size;
use crate::session::Session;
use crate::survey;
use crate::usage::by_image;
use blobs::Broken;
use examine::Examiner;
use problem::Problem;
use subject::{Depth, Subject};

/// Tell whether images are whole here
///
/// Of each platform that was pulled every blob must be there with its size, and every layer unpacked where the image
/// was unpacked; a platform of an index that was never pulled is no problem. All references are counted anew. A line
/// for each problem says what to do about it; the exit status is 1 where there is any.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve check\n  varve check --deep alpine\n  \
    varve check --deep --repair && echo whole")]
pub struct Check {
    /// By name, by ID or the start of one, or by digest [default: all]
    #[arg(value_name = "IMAGE", add = crate::complete::images())]
    images: Vec<String>,
    /// Only this platform, which must be here
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// Read and hash every blob again
    #[arg(long)]
    deep: bool,
    /// Take blobs that are broken out of the store, so that a pull brings them again
    #[arg(long)]
    repair: bool,
}

#[derive(Serialize, Default)]
struct Report {
    images: usize,
    blobs: usize,
    /// Bytes that were hashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    hashed: Option<u64>,
    snapshots: usize,
    problems: Vec<Problem>,
}

impl Check {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let subjects = self.examine(session).await?;
        let wanted = wanted(&subjects);
        let blobs::Looked { broken, hashed } = blobs::look(session, &wanted, self.deep).await?;
        if self.repair {
            take_out(session, &broken).await?;
        }
        let depth = Depth { deep: self.deep, repaired: self.repair };
        let mut problems = Vec::new();
        for subject in &subjects {
            let found = subject.all_problems(&broken, depth);
            if !found.is_empty() && is_still_named(session, subject).await? {
                problems.extend(found);
            }
        }
        let recounted = session.services.collector.recount().await?;
        problems.extend(recounted.into_iter().map(Problem::of_references));
        let report = Report {
            images: subjects.len(),
            blobs: wanted.len(),
            hashed: self.deep.then_some(hashed),
            snapshots: snapshots(&subjects),
            problems,
        };
        session.output.lines(&report.lines(), &report)?;
        match report.problems.is_empty() {
            true => Ok(()),
            false => Err(Failure::Told),
        }
    }

    async fn examine(&self, session: &Session) -> Result<Vec<Subject>> {
        let all = session.services.images.list(&session.scope, &[]).await?;
        let meant = self.meant(session).await?;
        let mut images: Vec<Vec<Named>> = by_image(all).into_values().collect();
        images.retain(|names| meant.is_empty() || meant.contains(&names[0].target.digest));
        let examiner = Examiner::new(session, self.platform.clone()).await?;
        let work = move |names| {
            let examiner = examiner.clone();
            async move { examiner.examine(names).await }
        };
        let subjects = survey::each(images, work).await?;
        let mut subjects = subjects.into_iter().collect::<Result<Vec<_>>>()?;
        subjects.sort_by(|a, b| a.named.name.cmp(&b.named.name));
        Ok(subjects)
    }

    /// The targets that were named; none for all.
    async fn meant(&self, session: &Session) -> Result<HashSet<Digest>> {
        let mut meant = HashSet::new();
        for text in &self.images {
            meant.insert(find::find(session, text).await?.first().target.digest);
        }
        Ok(meant)
    }
}

/// Every blob once, with the size that it must have.
fn wanted(subjects: &[Subject]) -> BTreeMap<Digest, u64> {
    let all = subjects.iter().flat_map(|subject| &subject.wanted);
    all.map(|wanted| (wanted.digest, wanted.size)).collect()
}

/// Every snapshot once.
fn snapshots(subjects: &[Subject]) -> usize {
    let all = subjects.iter().flat_map(|subject| &subject.snapshots);
    all.collect::<HashSet<_>>().len()
}

/// Of every namespace: they share the bytes.
async fn take_out(session: &Session, broken: &BTreeMap<Digest, Broken>) -> Result<()> {
    let services = &session.services;
    for (digest, _) in broken.iter().filter(|(_, broken)| broken.is_here) {
        for (namespace, _) in services.namespaces.list().await? {
            services.content.delete(&Scope::of(namespace), digest).await.found()?;
        }
    }
    Ok(())
}

/// What was removed, or has moved on, while it was looked at has no problem.
async fn is_still_named(session: &Session, subject: &Subject) -> Result<bool> {
    let before = &subject.named;
    let now = session.services.images.get(&session.scope, &before.name).await.found()?;
    Ok(now.is_some_and(|now| now.target.digest == before.target.digest))
}

impl Report {
    fn lines(&self) -> Vec<String> {
        let many = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            _ => format!("{count} {noun}s"),
        };
        let hashed = self.hashed.map(|bytes| format!(" ({} hashed)", size::exact(bytes)));
        let (images, blobs) = (many(self.images, "image"), many(self.blobs, "blob"));
        let snapshots = many(self.snapshots, "snapshot");
        let outcome = match self.problems.len() {
            0 => "whole".to_owned(),
            count => many(count, "problem"),
        };
        let mut lines: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        let hashed = hashed.unwrap_or_default();
        lines.push(format!("{images}, {blobs}{hashed}, {snapshots}: {outcome}"));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_what_was_looked_at() {
        let report = Report { images: 2, blobs: 1, hashed: Some(1500), ..Report::default() };
        assert_eq!(report.lines(), ["2 images, 1 blob (1.5kB hashed), 0 snapshots: whole"]);
        let problems = vec![Problem::of_references("missing edge/x".into())];
        let report = Report { problems, ..Report::default() };
        assert_eq!(report.lines().last().unwrap(), "0 images, 0 blobs, 0 snapshots: 1 problem");
    }
}
