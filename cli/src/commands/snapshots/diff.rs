//! `varve snapshots diff`: what a snapshot changed of its parent.

use serde::Serialize;
use varve_core::changes::{Change, Kind};

use crate::failure::Result;
use crate::output;
use crate::services::Snapshotter;
use crate::session::Session;

#[derive(Serialize)]
struct Row {
    kind: &'static str,
    path: String,
}

impl Row {
    fn of(change: Change) -> Self {
        let kind = match change.kind {
            Kind::Added => "added",
            Kind::Changed => "changed",
            Kind::Deleted => "deleted",
        };
        Self { kind, path: change.path.to_string_lossy().into_owned() }
    }
}

/// Prints lines as they come; JSON is one array, and comes at the end.
pub async fn show(session: &Session, snapshotter: &Snapshotter, key: &str) -> Result<()> {
    let mut listing = snapshotter.changes.changes(&session.scope, key).await?;
    let mut rows = Vec::new();
    loop {
        let changes = listing.next().await?;
        if changes.is_empty() {
            break;
        }
        match session.output.is_json() {
            true => rows.extend(changes.into_iter().map(Row::of)),
            false => output::write(lines(&changes).as_bytes())?,
        }
    }
    if session.output.is_json() { session.output.lines(&[], &rows) } else { Ok(()) }
}

fn lines(changes: &[Change]) -> String {
    let line = |change: &Change| {
        let path = output::clean(&change.path.to_string_lossy());
        format!("{} {path}\n", change.kind.letter())
    };
    changes.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line_whatever_its_name() {
        let change = |kind, path: &str| Change { kind, path: path.into() };
        let changes = [change(Kind::Added, "/a\nb"), change(Kind::Deleted, "/c")];
        assert_eq!(lines(&changes), "A /a\\nb\nD /c\n");
    }
}
