//! `varve leases`: what keeps new things alive for a while.

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde::Serialize;
use varve_core::{Labels, Timestamp};

use super::label_cell;
use crate::failure::Result;
use crate::output::table::Table;
use crate::session::Session;

/// Look at what keeps unfinished pulls from being collected
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve leases ls")]
pub struct Leases {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the leases
    #[command(visible_alias = "list", after_help = "Example:\n  varve leases ls")]
    Ls {
        /// containerd's filters, such as id==x; a lease that matches any is shown
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
        /// Print ids alone
        #[arg(long, short)]
        quiet: bool,
    },
}

#[derive(Serialize)]
struct Row {
    id: String,
    created: Timestamp,
    labels: Labels,
}

impl Leases {
    pub async fn run(self, session: &Session) -> Result<()> {
        let Command::Ls { filters, quiet } = self.command;
        let leases = session.services.leases.list(&session.scope, &filters).await?;
        let rows: Vec<_> = leases
            .into_iter()
            .map(|lease| Row { id: lease.id, created: lease.created_at, labels: lease.labels })
            .collect();
        if quiet {
            let ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
            return session.output.lines(&ids, &ids);
        }
        let mut table = Table::new(&["ID", "CREATED AT", "LABELS"]);
        for row in &rows {
            table.row([row.id.clone(), local(row.created), label_cell(&row.labels)]);
        }
        session.output.table(&table, &rows)
    }
}

/// Local time in RFC 3339, to the second, as ctr prints it.
fn local(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_time_names_its_offset_and_no_fractions() {
        let printed = local("2024-05-06T07:08:09.5Z".parse().unwrap());
        assert!(printed.ends_with(":09+00:00") || printed.len() == 25, "{printed}");
        assert_eq!(printed.parse::<Timestamp>().unwrap().to_string(), "2024-05-06T07:08:09Z");
    }
}
