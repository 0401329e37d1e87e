//! `varve gc`: removes what nothing refers to.

use clap::Args;
use serde::Serialize;
use varve_core::Error;
use varve_core::collect::Collected;

use crate::failure::Result;
use crate::output::size;
use crate::pull::abandoned;
use crate::session::Session;

/// Remove what nothing uses any more: blobs, snapshots, abandoned downloads, leases that have ended
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve gc --dry-run\n  varve gc")]
pub struct Gc {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize, PartialEq, Debug)]
struct Removed {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshotter: Option<String>,
    namespace: String,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    dry_run: bool,
    removed: Vec<Removed>,
    /// Bytes that came free.
    bytes: u64,
}

impl Gc {
    pub async fn run(self, session: &Session) -> Result<()> {
        if !self.dry_run {
            abandoned::end_those_of_the_dead(&session.services, &session.scope).await?;
        }
        let collected = session.services.collector.collect(self.dry_run).await?;
        agree(&session.services.collector.recount().await?)?;
        let bytes = collected.bytes;
        let report = Report { dry_run: self.dry_run, removed: removed(collected), bytes };
        session.output.lines(&lines(&report), &report)
    }
}

/// Every reference was counted anew, and these differ: a store that miscounts must not be trusted
/// with another collection.
fn agree(differences: &[String]) -> Result<()> {
    let Some(first) = differences.first() else { return Ok(()) };
    let count = differences.len();
    Err(Error::data_loss(format!(
        "{count} references differ from what the records say; the first: {first}"
    ))
    .into())
}

fn removed(collected: Collected) -> Vec<Removed> {
    let plain = |kind| {
        move |(namespace, name): (varve_core::Namespace, String)| Removed {
            kind,
            snapshotter: None,
            namespace: namespace.to_string(),
            name,
        }
    };
    let blobs = collected.blobs.into_iter().map(|(space, digest)| (space, digest.to_string()));
    let snapshots = collected.snapshots.into_iter().map(|(snapshotter, space, key)| Removed {
        snapshotter: Some(snapshotter),
        ..plain("snapshot")((space, key))
    });
    let mut all: Vec<_> = collected.leases.into_iter().map(plain("lease")).collect();
    all.extend(collected.ingests.into_iter().map(plain("ingest")));
    all.extend(snapshots);
    all.extend(blobs.map(plain("blob")));
    all
}

fn lines(report: &Report) -> Vec<String> {
    let [removed, total] = match report.dry_run {
        true => ["Would remove", "Would reclaim"],
        false => ["Removed", "Total reclaimed space:"],
    };
    let line = |it: &Removed| {
        let by = it.snapshotter.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        let room = match it.namespace.as_str() {
            varve_core::scope::DEFAULT_NAMESPACE => String::new(),
            other => format!(" in namespace {other}"),
        };
        format!("{removed} {}{by}{room}: {}", it.kind, it.name)
    };
    let mut lines: Vec<_> = report.removed.iter().map(line).collect();
    lines.push(format!("{total} {}", size::exact(report.bytes)));
    lines
}

#[cfg(test)]
mod tests {
    use varve_core::{Digest, Namespace};

    use super::*;

    #[test]
    fn a_recount_that_differs_is_an_error_that_names_the_difference() {
        assert!(agree(&[]).is_ok());
        let wrong =
            agree(&["edge a".into(), "edge b".into()]).map_err(|error| format!("{error:?}"));
        let said = wrong.unwrap_err();
        assert!(said.contains("2 references") && said.contains("edge a"), "{said}");
    }

    #[test]
    fn each_thing_that_goes_is_named_and_the_bytes_are_summed_up() {
        let other: Namespace = "other".parse().unwrap();
        let collected = Collected {
            blobs: vec![(Namespace::default(), Digest::of(b""))],
            leases: vec![(other, "l".into())],
            snapshots: vec![("native".into(), Namespace::default(), "k".into())],
            ingests: Vec::new(),
            bytes: 1_500,
        };
        let report = Report { dry_run: true, removed: removed(collected), bytes: 1_500 };
        let blob = format!("Would remove blob: {}", Digest::of(b""));
        let want = [
            "Would remove lease in namespace other: l",
            "Would remove snapshot of native: k",
            &blob,
            "Would reclaim 1.5kB",
        ];
        assert_eq!(lines(&report), want);
    }
}
