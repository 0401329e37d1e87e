//! `varve image prune`: removes images that nobody needs.

use std::collections::HashSet;
use std::io::{self, BufRead};

use clap::Args;
use serde::Serialize;
use varve_core::images::Image as Named;
use varve_core::{Error, Kind, Result};

use crate::commands::images::filter::Filters;
use crate::commands::images::row;
use crate::failure;
use crate::find;
use crate::output::{self, size};
use crate::reach::{Graph, Place};
use crate::reclaim::Reclaim;
use crate::removal::{self, Done, Gone, Went};
use crate::session::Session;
use crate::usage::{Users, by_image};

/// Remove images that have no name; with --all, all that nothing uses
///
/// An image is used by each container that was made of it, running or not, and by each mount of it. What a pull
/// that is under way has brought already stays.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve image prune --dry-run\n  \
    varve image prune --all --force --filter until=24h --filter 'label!=keep'")]
pub struct Prune {
    /// Images with names too, unless they are used
    #[arg(long, short)]
    all: bool,
    /// until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    force: bool,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Report {
    dry_run: bool,
    images: Vec<Done>,
    /// Bytes that came free on disk, or would.
    bytes: u64,
}

impl Prune {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let filters = Filters::for_prune(&self.filter)?;
        if !self.dry_run && !self.is_meant(session).await? {
            return Ok(());
        }
        let doomed = self.doomed(session, &filters).await?;
        let report = match self.dry_run {
            true => estimate(session, doomed).await?,
            false => remove(session, doomed).await?,
        };
        session.output.lines(&report.lines(), &report)
    }

    /// Asks, where that was not forbidden.
    async fn is_meant(&self, session: &Session) -> Result<bool> {
        if self.force {
            return Ok(true);
        }
        if session.output.is_json() {
            return Err(Error::invalid("with --output json nobody is asked; give --force"));
        }
        output::tell(match self.all {
            false => "WARNING! This will remove all dangling images.",
            true => {
                "WARNING! This will remove all images without at least one container associated \
                 to them."
            }
        });
        output::ask("Are you sure you want to continue? [y/N] ");
        let reading = tokio::task::spawn_blocking(|| {
            let mut answer = String::new();
            io::stdin().lock().read_line(&mut answer).map(|_| answer)
        });
        let answer = reading.await.map_err(|error| Error::internal("asking").with_source(error))?;
        let answer = answer.map_err(|error| Error::io("reading the answer", error))?;
        Ok(answer.trim().eq_ignore_ascii_case("y"))
    }

    /// Names that go: all of an image, or none.
    async fn doomed(&self, session: &Session, filters: &Filters) -> Result<Vec<Named>> {
        let all = session.services.images.list(&session.scope, &[]).await?;
        let users = Users::load(session).await?;
        let mut images = by_image(all);
        images.retain(|_, names| users.spare(names, self.all));
        let names: Vec<Named> = images.into_values().flatten().collect();
        let rows = row::rows(session, names.clone()).await?;
        let fits = names.into_iter().zip(rows).filter(|(_, row)| filters.match_row(row));
        Ok(fits.map(|(named, _)| named).collect())
    }
}

async fn remove(session: &Session, doomed: Vec<Named>) -> Result<Report> {
    let mut taken = Vec::with_capacity(doomed.len());
    for named in &doomed {
        match removal::take(session, named, false).await {
            Ok(one) => taken.push(one),
            // Used, or gone, since it was looked at.
            Err(error) if matches!(error.kind(), Kind::FailedPrecondition | Kind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    let (images, bytes) = removal::finish(session, taken, true).await?;
    Ok(Report { images, bytes, dry_run: false })
}

/// What is garbage already comes free with it.
async fn estimate(session: &Session, doomed: Vec<Named>) -> Result<Report> {
    if doomed.is_empty() {
        return Ok(Report { dry_run: true, ..Report::default() });
    }
    let graph = Graph::load(session).await?;
    let reclaim = Reclaim::of(session, &graph, &doomed).await?;
    let images = would(session, &doomed, reclaim.freed).await?;
    Ok(Report { images, bytes: reclaim.bytes, dry_run: true })
}

/// The lines of a removal that is not done.
async fn would(session: &Session, doomed: &[Named], freed: HashSet<Place>) -> Result<Vec<Done>> {
    let mut went = Went::of(freed);
    let mut done = Vec::new();
    for (n, named) in doomed.iter().enumerate() {
        let digest = &named.target.digest;
        // Names of one image stand together.
        let rest = doomed[n + 1..].iter().take_while(|next| next.target.digest == *digest);
        let left: Vec<String> = rest.map(|next| next.name.clone()).collect();
        let from_registry = removal::repo_digest(session, named).await?;
        let names = removal::untagged(named, from_registry, &left);
        done.extend(names.into_iter().map(Done::Untagged));
        if left.is_empty() {
            let images = find::platforms(session, named).await?;
            done.extend(went.told(Gone::all(named, &images)));
        }
    }
    Ok(done)
}

impl Report {
    /// As Docker prints them.
    fn lines(&self) -> Vec<String> {
        let [title, total] = match self.dry_run {
            true => ["Images that would be deleted:", "Would reclaim:"],
            false => ["Deleted Images:", "Total reclaimed space:"],
        };
        let line = |done: &Done| match done {
            Done::Untagged(name) => format!("untagged: {name}"),
            Done::Deleted(id) => format!("deleted: {id}"),
        };
        let mut lines = Vec::new();
        if !self.images.is_empty() {
            lines.push(title.to_owned());
            lines.extend(self.images.iter().map(line));
            lines.push(String::new());
        }
        lines.push(format!("{total} {}", size::exact(self.bytes)));
        lines
    }
}
