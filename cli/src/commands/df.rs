//! `varve df`: what takes the room, and what of it could be freed.

mod account;
mod detail;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use varve_core::Result;

use crate::failure;
use crate::output::format::Format;
use crate::output::{self, size};
use crate::session::Session;
use account::Account;
use detail::Detail;

/// Docker's own default.
const TABLE: &str = "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
const HEADERS: &[(&str, &str)] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

/// Show what takes room on disk, and what of it could be freed
///
/// Images are all that names keep: documents, layers as they were downloaded, and snapshots, which are layers
/// unpacked. Layers and Snapshots tell of all that are here, kept by an image or not; what a container has written
/// stands with Containers. Active is what stays, reclaimable what goes, when `varve image prune --all` and
/// `varve gc` run: an image that no container and no mount uses, and what nothing refers to.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve df\n  varve df --verbose\n  \
    varve df --format '{{.Type}} {{.Reclaimable}}'")]
pub struct Df {
    /// Each image with what it shares and what it has alone; snapshotters, containers, ingests
    #[arg(long, short, conflicts_with = "format")]
    verbose: bool,
    /// A Go template, `table` and a template, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// One sort of what is kept.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    #[serde(rename = "type")]
    kind: &'static str,
    total: usize,
    /// Those that stay.
    active: usize,
    /// Bytes on disk.
    size: u64,
    /// Bytes that would come free.
    reclaimable: u64,
}

#[derive(Serialize)]
struct Report {
    rows: Vec<Row>,
    /// Bytes on disk of all there is, each counted once.
    size: u64,
    /// Bytes that would come free, in every namespace.
    reclaimable: u64,
    #[serde(flatten)]
    detail: Option<Detail>,
}

impl Df {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let format = Format::parse_or(self.format.as_deref(), TABLE)?;
        let account = Account::load(session).await?;
        let detail = match self.verbose {
            true => Some(Detail::of(session, &account).await?),
            false => None,
        };
        let (rows, size, reclaimable) = (account.rows(), account.size(), account.reclaim.bytes);
        let report = Report { rows, size, reclaimable, detail };
        if session.output.is_json() {
            return session.output.lines(&[], &report);
        }
        output::write(self.shown(&report, &format)?.as_bytes())
    }

    fn shown(&self, report: &Report, format: &Format) -> Result<String> {
        let text = format.rows(report.rows.iter().map(data), HEADERS)?;
        if self.format.is_some() {
            return Ok(text);
        }
        let detail = report.detail.as_ref().map(Detail::to_string).unwrap_or_default();
        Ok(format!("{text}{}{detail}", total(report)))
    }
}

/// What a template sees.
fn data(row: &Row) -> Value {
    json!({
        "Type": row.kind,
        "TotalCount": row.total.to_string(),
        "Active": row.active.to_string(),
        "Size": size::exact(row.size),
        "Reclaimable": reclaimable(row.reclaimable, row.size),
    })
}

/// With Docker's percentage, where it is one of something.
fn reclaimable(bytes: u64, of: u64) -> String {
    let text = size::exact(bytes);
    match (u128::from(bytes) * 100).checked_div(u128::from(of)) {
        Some(percent) => format!("{text} ({percent}%)"),
        None => text,
    }
}

fn total(report: &Report) -> String {
    let (size, free) = (size::exact(report.size), size::exact(report.reclaimable));
    match report.reclaimable {
        0 => format!("Total: {size}\n"),
        _ => format!("Total: {size}; `varve image prune --all` and `varve gc` would free {free}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_dockers_and_the_last_line_is_the_sum() {
        let row =
            |kind, active, size, reclaimable| Row { kind, total: 3, active, size, reclaimable };
        let rows = vec![row("Images", 1, 6_200_000, 3_100_000), row("Ingests", 3, 0, 0)];
        let report = Report { rows, size: 6_200_000, reclaimable: 3_100_000, detail: None };
        let df = Df { verbose: false, format: None };
        let want = "\
TYPE      TOTAL     ACTIVE    SIZE      RECLAIMABLE
Images    3         1         6.2MB     3.1MB (50%)
Ingests   3         3         0B        0B
Total: 6.2MB; `varve image prune --all` and `varve gc` would free 3.1MB
";
        assert_eq!(df.shown(&report, &Format::parse(TABLE).unwrap()).unwrap(), want);
        let own = Df { format: Some("{{.Type}}={{.Reclaimable}}".into()), ..df };
        let format = Format::parse(own.format.as_deref().unwrap()).unwrap();
        assert_eq!(own.shown(&report, &format).unwrap(), "Images=3.1MB (50%)\nIngests=0B\n");
    }
}
