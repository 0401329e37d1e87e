//! `varve ps`, in Docker's columns.

use clap::Args;
use serde_json::{Value, json};
use varve_core::{Result, Timestamp};

use super::filter::Filters;
use crate::args::Global;
use crate::container::find::{self, Found};
use crate::container::place::Base;
use crate::container::remove;
use crate::container::state::Status;
use crate::failure;
use crate::life;
use crate::output::format::Format;
use crate::output::{self, age};
use crate::session::Session;

const TABLE: &str = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t\
                     {{.Ports}}\t{{.Names}}";
const HEADERS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("RunningFor", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Status", "STATUS"),
    ("State", "STATE"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
];
/// Characters of a command, and of a mount's path, that are shown.
const NARROW: usize = 20;

/// Show the containers whose programs run
#[derive(Args, Clone, Debug, Default)]
#[command(
    after_help = "Examples:\n  varve ps -a\n  varve ps --filter status=exited --filter name=web -q\n  \
    varve ps --format '{{.Names}}: {{.Status}}'"
)]
pub struct Ps {
    /// Those that do not run, too
    #[arg(long, short)]
    all: bool,
    /// Only IDs
    #[arg(long, short)]
    quiet: bool,
    /// Whole IDs and commands
    #[arg(long)]
    no_trunc: bool,
    /// name=PATTERN, id=PREFIX, status=created|running|exited, exited=STATUS, ancestor=IMAGE,
    /// label=KEY[=VALUE]; may be given again
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// A Go template, `table` and a template, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Ps {
    pub async fn run(self, global: &Global) -> failure::Result<()> {
        let base = Base::of(global)?;
        life::with(global, async |session| self.list(session, &base).await).await
    }

    async fn list(&self, session: &Session, base: &Base) -> failure::Result<()> {
        let default = if self.quiet { "{{.ID}}" } else { TABLE };
        let format = Format::parse_or(self.format.as_deref(), default)?;
        let filters = Filters::parse(session, &self.filter).await?;
        remove::sweep(session, base).await?;
        let all = find::all(session, base).await?.into_iter().map(|found| {
            let status = found.status();
            (found, status)
        });
        let shown = all.filter(|(found, status)| {
            let asked = self.all || filters.by_status();
            (asked || status.is_running()) && filters.fit(found, status)
        });
        let now = varve_core::time::now();
        let rows: Vec<Value> =
            shown.map(|(found, status)| self.row(&found, &status, now)).collect();
        if session.output.is_json() {
            return session.output.lines(&[], &rows);
        }
        let text: Result<String> = format.rows(rows, HEADERS);
        output::write(text?.as_bytes())
    }

    /// What a template sees.
    fn row(&self, found: &Found, status: &Status, now: Timestamp) -> Value {
        let Found { container, settings, .. } = found;
        let id = if self.no_trunc { &container.id } else { found.short() };
        let created = container.created_at;
        let labels = container.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let mounts = settings.volumes.iter().map(|volume| self.cut(&volume.source));
        json!({
            "ID": id,
            "Image": output::clean(&settings.image),
            "Command": format!("\"{}\"", self.cut(&output::clean(&quoted(&settings.args)))),
            "RunningFor": format!("{} ago", age::since(created, now)),
            "CreatedAt": created.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
            "Status": sentence(status, now),
            "State": status.word(),
            "Ports": "",
            "Names": settings.name,
            "Labels": labels.collect::<Vec<_>>().join(","),
            "Mounts": mounts.collect::<Vec<_>>().join(","),
            "Networks": settings.network.as_str(),
            "LocalVolumes": "0",
            "Size": "N/A",
        })
    }

    fn cut(&self, text: &str) -> String {
        if self.no_trunc || text.chars().count() <= NARROW {
            return text.to_owned();
        }
        text.chars().take(NARROW - 1).chain(['…']).collect()
    }
}

/// `Up 2 hours`, `Exited (0) 5 minutes ago`.
fn sentence(status: &Status, now: Timestamp) -> String {
    match status {
        Status::Created => "Created".into(),
        Status::Running { since, watched: true, .. } => format!("Up {}", age::since(*since, now)),
        Status::Running { since, .. } => format!("Up {} (unwatched)", age::since(*since, now)),
        Status::Exited { end, .. } => {
            format!("Exited ({}) {} ago", end.status, age::since(end.at, now))
        }
    }
}

/// As a shell would read it again.
fn quoted(args: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,~^".contains(c);
    let quote = |arg: &String| match !arg.is_empty() && arg.chars().all(plain) {
        true => arg.clone(),
        false => format!("'{}'", arg.replace('\'', "'\\''")),
    };
    args.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::state::End;

    #[test]
    fn a_status_is_told_in_dockers_words() {
        let now = varve_core::time::now();
        let since = now - std::time::Duration::from_secs(7200);
        let up = Status::Running { pid: 1, since, watched: true };
        assert_eq!(sentence(&up, now), "Up 2 hours");
        let ended = Status::Exited { end: End { status: 137, at: since }, started: since };
        assert_eq!(sentence(&ended, now), "Exited (137) 2 hours ago");
        assert_eq!(sentence(&Status::Created, now), "Created");
    }

    #[test]
    fn long_commands_are_cut_as_docker_cuts_them() {
        let ps = Ps::default();
        assert_eq!(ps.cut("sleep 60"), "sleep 60");
        assert_eq!(ps.cut(&"x".repeat(21)), format!("{}…", "x".repeat(19)));
        assert_eq!(Ps { no_trunc: true, ..ps }.cut(&"x".repeat(21)).len(), 21);
    }
}
