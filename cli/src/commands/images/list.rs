//! `varve images ls`, in Docker's columns.

use clap::Args;
use serde_json::Value;
use varve_core::{Result, Timestamp};

use super::filter::Filters;
use super::row::{self, Row};
use super::tree;
use crate::failure;
use crate::output::format::Format;
use crate::output::{self, age, size};
use crate::session::Session;

/// Docker's own default.
const TABLE: &str = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
const WITH_DIGESTS: &str =
    "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
const HEADERS: &[(&str, &str)] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("ID", "IMAGE ID"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("VirtualSize", "SIZE"),
    ("Platform", "PLATFORM"),
];
/// Docker's own lists do not fill these in either.
const UNKNOWN: [&str; 3] = ["Containers", "SharedSize", "UniqueSize"];

/// Show the images that are here: the size is that of the unpacked layers
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = "Examples:\n  varve images ls alpine\n  \
    varve images ls --filter label=stage=test --format '{{.ID}}'")]
pub struct Ls {
    /// Only images of this repository, or of this name
    #[arg(value_name = "REPOSITORY[:TAG]", add = crate::complete::images())]
    repository: Option<String>,
    /// Only IDs
    #[arg(long, short)]
    quiet: bool,
    /// All images; Docker hides those of a build's steps, of which there are none here
    #[arg(long, short)]
    all: bool,
    /// Show what names point to
    #[arg(long)]
    digests: bool,
    /// Whole IDs
    #[arg(long)]
    no_trunc: bool,
    /// What each name points to: platforms, whether they are here or not, and attestations
    #[arg(long, conflicts_with_all = ["quiet", "digests", "format"])]
    tree: bool,
    /// dangling=true, before=IMAGE, since=IMAGE, label=KEY[=VALUE], reference=PATTERN, until=TIME;
    /// may be given again
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// A Go template, `table` and a template, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Ls {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let format = self.format()?;
        let filters = Filters::parse(session, &self.filter, self.repository.as_deref()).await?;
        let mut rows = row::all(session).await?;
        rows.retain(|row| filters.match_row(row));
        // Docker's order: the newest first.
        rows.sort_by(|a, b| b.created().cmp(&a.created()).then_with(|| a.name.cmp(&b.name)));
        if self.tree {
            let trees = tree::trees(session, &rows).await?;
            return session.output.table(&tree::table(&trees), &trees);
        }
        if session.output.is_json() {
            return session.output.lines(&[], &rows);
        }
        output::write(self.shown(&rows, &format)?.as_bytes())?;
        // The command is done: the process gives back the memory of ten thousand rows at once.
        std::mem::forget(rows);
        Ok(())
    }

    fn format(&self) -> Result<Format> {
        let default = match (self.quiet, self.digests) {
            (true, _) => "{{.ID}}",
            (false, true) => WITH_DIGESTS,
            (false, false) => TABLE,
        };
        Format::parse_or(self.format.as_deref(), default)
    }

    fn shown(&self, rows: &[Row], format: &Format) -> Result<String> {
        let now = varve_core::time::now();
        let fields = HEADERS.iter().map(|(field, _)| *field).chain(UNKNOWN);
        let wanted: Vec<&str> = fields.filter(|field| format.may_use(field)).collect();
        // The first is whole: that there is no such field is told with those that there are.
        let is_wanted = |n: usize, field: &str| n == 0 || wanted.contains(&field);
        let rows = rows.iter().enumerate();
        let rows = rows.map(|(n, row)| self.data(row, now, |field| is_wanted(n, field)));
        format.rows(rows, HEADERS)
    }

    /// What a template sees: the fields that are wanted.
    fn data(&self, row: &Row, now: Timestamp, wanted: impl Fn(&str) -> bool) -> Value {
        let mut data = serde_json::Map::new();
        let mut put = |field: &str, value: &dyn Fn() -> String| {
            if wanted(field) {
                data.insert(field.to_owned(), value().into());
            }
        };
        put("Repository", &|| output::clean(&row.repository));
        put("Tag", &|| output::clean(&row.tag));
        put("ID", &|| self.id(row));
        put("Digest", &|| row.target.digest.to_string());
        put("CreatedSince", &|| match row.created() {
            Some(created) => format!("{} ago", age::since(created, now)),
            None => "N/A".into(),
        });
        put("CreatedAt", &|| match row.created() {
            Some(created) => created.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
            None => "N/A".into(),
        });
        put("Size", &|| shown_size(row));
        put("VirtualSize", &|| shown_size(row));
        put("Platform", &|| row.platform().unwrap_or_default().to_owned());
        UNKNOWN.iter().for_each(|field| put(field, &|| "N/A".into()));
        data.into()
    }

    fn id(&self, row: &Row) -> String {
        match row.id() {
            Some(id) if self.no_trunc => id.to_string(),
            Some(id) => id.hex()[..12].to_owned(),
            None => "<missing>".into(),
        }
    }
}

fn shown_size(row: &Row) -> String {
    match (row.size(), row.packed_size()) {
        (Some(size), _) => size::short(size),
        (None, Some(packed)) => format!("{} (packed)", size::short(packed)),
        (None, None) => "N/A".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use varve_core::Digest;

    use super::super::row::example;
    use super::*;
    use crate::survey::{Seen, Tree};

    #[test]
    fn images_are_listed_as_docker_lists_them() {
        let seen = Seen { created: Some(varve_core::time::now()), ..example::seen() };
        let tree = Some(Tree { snapshotter: "native".into(), size: 63_324_613 });
        let unpacked = Arc::new(Seen { tree, ..seen });
        let packed = Arc::new(Seen { packed_size: 1000, ..example::seen() });
        let rows = [
            Row::new(Some(unpacked), example::named("docker.io/library/alpine:3")),
            Row::new(Some(packed), example::named("h:5000/x/y:1")),
            Row::new(None, example::named("varve.dangling@sha256:00")),
        ];
        let id = &example::seen().id.hex()[..12];
        let want = format!(
            "\
REPOSITORY                 TAG       IMAGE ID       CREATED                  SIZE
alpine                     3         {id}   Less than a second ago   63.3MB
h:5000/x/y                 1         {id}   N/A                      1kB (packed)
varve.dangling@sha256:00   <none>    <missing>      N/A                      N/A
"
        );
        let ls = Ls::default();
        assert_eq!(ls.shown(&rows, &ls.format().unwrap()).unwrap(), want);
    }

    #[test]
    fn each_name_of_an_image_shows_its_id_as_docker_does() {
        let seen = Arc::new(example::seen());
        let rows = ["a", "b"].map(|name| Row::new(Some(seen.clone()), example::named(name)));
        let ls = Ls { quiet: true, no_trunc: true, ..Ls::default() };
        let shown = ls.shown(&rows, &ls.format().unwrap()).unwrap();
        assert_eq!(shown, format!("{}\n", Digest::of(b"config")).repeat(2));
    }
}
