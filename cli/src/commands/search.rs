//! `varve search`: repositories by name.

mod filter;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use varve_core::Error;
use varve_core::reference::DEFAULT_DOMAIN;
use varve_registry::{Client, Hit, Scan, docker_config};

use crate::args::Global;
use crate::failure::Result;
use crate::output::format::Format;
use crate::output::{self, Output};
use crate::progress;
use crate::pull::Logins;
use filter::Filters;

/// Docker's own default.
const TABLE: &str = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}";
const HEADERS: &[(&str, &str)] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
    ("IsAutomated", "AUTOMATED"),
];
/// Characters of a description, unless it is to be whole.
const BRIEF: usize = 45;
/// Results that Docker Hub gives at the most.
const MOST: usize = 100;

/// Look for repositories on Docker Hub, or at the registry that TERM begins with
///
/// A registry without a search is asked for the names of all its repositories, and those are shown that TERM is part
/// of.
#[derive(Args, Debug, Default)]
#[command(after_help = "Examples:\n  varve search alpine\n  \
    varve search --filter is-official=true --limit 5 python\n  \
    varve search registry.example:5000/lab")]
pub struct Search {
    /// Part of a name; with a registry's host and a slash before it, it is looked for there
    #[arg(value_name = "TERM")]
    term: String,
    /// is-official=BOOL, is-automated=BOOL, stars=NUMBER (at least so many); may be given again
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// How many at the most, 1 to 100
    #[arg(long, value_name = "NUMBER", default_value_t = 25)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: u8,
    /// Whole descriptions
    #[arg(long)]
    no_trunc: bool,
    /// A Go template, `table` and a template, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Speak http to a registry that is not on this machine
    #[arg(long)]
    plain_http: bool,
}

/// A repository, as `varve pull` takes it.
#[derive(Serialize)]
struct Row {
    name: String,
    description: String,
    stars: u64,
    official: bool,
    automated: bool,
}

impl Search {
    /// Needs no root and no service.
    pub async fn run(self, global: &Global) -> Result<()> {
        let (format, filters) = (self.format()?, Filters::parse(&self.filter)?);
        let (host, term) = split(&self.term);
        if term.is_empty() && host == DEFAULT_DOMAIN {
            return Err(Error::invalid("search: want a part of a name").into());
        }
        let credentials: Vec<_> = Logins::load().await?.find(host).await?.into_iter().collect();
        let client = Client::new(global.registry()?);
        let scan = client.scan(host, self.plain_http, &credentials)?;
        let mut hits = self.hits(&scan, host, term, &filters).await?;
        hits.retain(|hit| filters.match_hit(hit));
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.stars));
        hits.truncate(self.limit.into());
        let rows: Vec<Row> = hits.into_iter().map(|hit| row(host, hit)).collect();
        let output = Output { format: global.format() };
        if output.is_json() {
            return output.lines(&[], &rows);
        }
        output::write(self.shown(&rows, &format)?.as_bytes())
    }

    /// Where there is no search, nothing but names is known.
    async fn hits(
        &self,
        scan: &Scan,
        host: &str,
        term: &str,
        filters: &Filters,
    ) -> Result<Vec<Hit>> {
        let limit = if filters.is_empty() { self.limit.into() } else { MOST };
        if let Some(hits) = scan.search(term, limit).await? {
            return Ok(hits);
        }
        progress::warn(&format!(
            "{host} has no search: these are those of all its repositories that have {term:?} in \
             their name"
        ));
        let lower = term.to_lowercase();
        let names = scan.names(|name| name.contains(&lower), limit).await?;
        let hit = |name| Hit {
            name,
            description: String::new(),
            stars: 0,
            official: false,
            automated: false,
        };
        Ok(names.into_iter().map(hit).collect())
    }

    fn format(&self) -> varve_core::Result<Format> {
        Format::parse_or(self.format.as_deref(), TABLE)
    }

    fn shown(&self, rows: &[Row], format: &Format) -> varve_core::Result<String> {
        format.rows(rows.iter().map(|row| self.data(row)), HEADERS)
    }

    /// What a template sees.
    fn data(&self, row: &Row) -> Value {
        let mark = |yes: bool| if yes { "[OK]" } else { "" };
        let description = row.description.split_whitespace().collect::<Vec<_>>().join(" ");
        let description = match self.no_trunc {
            true => description,
            false => brief(&description),
        };
        json!({
            "Name": output::clean(&row.name),
            "Description": output::clean(&description),
            "StarCount": row.stars.to_string(),
            "IsOfficial": mark(row.official),
            "IsAutomated": mark(row.automated),
        })
    }
}

/// The host, and what is looked for there.
fn split(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some((host, term)) if host == "localhost" || host.contains(['.', ':']) => {
            (docker_config::named(host), term)
        }
        _ => (DEFAULT_DOMAIN, term),
    }
}

fn row(host: &str, hit: Hit) -> Row {
    let Hit { name, description, stars, official, automated } = hit;
    let name = match host == DEFAULT_DOMAIN || name.starts_with(&format!("{host}/")) {
        true => name,
        false => format!("{host}/{name}"),
    };
    Row { name, description, stars, official, automated }
}

fn brief(text: &str) -> String {
    match text.chars().count() > BRIEF {
        true => text.chars().take(BRIEF - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_before_the_first_slash_is_a_host_where_it_looks_like_one() {
        assert_eq!(split("alpine"), ("docker.io", "alpine"));
        assert_eq!(split("me/app"), ("docker.io", "me/app"));
        assert_eq!(split("localhost/app"), ("localhost", "app"));
        assert_eq!(split("h:5000/me/app"), ("h:5000", "me/app"));
        assert_eq!(split("index.docker.io/x"), ("docker.io", "x"));
        assert_eq!(split("h.example/"), ("h.example", ""));
    }

    #[test]
    fn results_are_shown_as_docker_shows_them() {
        let hit = |name: &str, description: &str, stars, official| Hit {
            name: name.into(),
            description: description.into(),
            stars,
            official,
            automated: false,
        };
        let long = "A text that is longer than it should be,\nin two lines";
        let rows = [
            row("docker.io", hit("alpine", long, 11_000, true)),
            row("h:1", hit("me/app", "\u{1b}[2J", 0, false)),
        ];
        let search = Search::default();
        let want = "\
NAME         DESCRIPTION                                     STARS     OFFICIAL
alpine       A text that is longer than it should be, in …   11000     [OK]
h:1/me/app   \\u{1b}[2J                                       0
";
        assert_eq!(search.shown(&rows, &search.format().unwrap()).unwrap(), want);
        let whole = Search { no_trunc: true, ..Search::default() };
        assert!(whole.shown(&rows, &whole.format().unwrap()).unwrap().contains("in two lines"));
    }
}
