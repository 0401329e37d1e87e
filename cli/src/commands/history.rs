//! `varve history`: how an image was made, step by step.

use clap::{ArgAction, Args};
use serde::Serialize;
use serde_json::{Value, json};
use varve_core::{Error, Result, ResultExt, Timestamp};

use crate::failure;
use crate::find;
use crate::image::Image;
use crate::output::format::Format;
use crate::output::{self, age, size};
use crate::session::Session;

const TABLE: &str = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
const HEADERS: &[(&str, &str)] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];
/// Characters of a command that are shown.
const COMMAND: usize = 45;

/// Show how an image was made
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve history --no-trunc alpine")]
pub struct History {
    /// By name, by ID or the start of one, or by digest
    #[arg(value_name = "IMAGE", add = crate::complete::images())]
    image: String,
    /// Sizes and dates for people
    #[arg(long, short = 'H', default_value_t = true, action = ArgAction::Set)]
    #[arg(num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    human: bool,
    /// Whole IDs and commands
    #[arg(long)]
    no_trunc: bool,
    /// Only IDs
    #[arg(long, short)]
    quiet: bool,
    /// A Go template, `table` and a template, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// A step, newest first.
#[derive(Serialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// Of the last step alone: those below are no images of their own here.
    id: Option<String>,
    created: Option<Timestamp>,
    created_by: String,
    /// Bytes that its layer has unpacked, or, where it is not unpacked, as it came.
    size: u64,
    comment: String,
}

impl History {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let default = if self.quiet { "{{.ID}}" } else { TABLE };
        let format = Format::parse_or(self.format.as_deref(), default)?;
        let named = find::find(session, &self.image).await?.first().clone();
        let Some(image) = find::present(session, &named).await? else {
            let image = &self.image;
            let message = format!("image {image}: no platform of it is whole here; pull it again");
            return Err(Error::precondition(message).into());
        };
        let rows = rows(session, &image).await?;
        if session.output.is_json() {
            return session.output.lines(&[], &rows);
        }
        let now = varve_core::time::now();
        let data = rows.iter().map(|row| self.data(row, now));
        output::write(format.rows(data, HEADERS)?.as_bytes())
    }

    fn data(&self, row: &Row, now: Timestamp) -> Value {
        let short = |id: &str| match self.no_trunc {
            true => id.to_owned(),
            false => id["sha256:".len()..][..12].to_owned(),
        };
        let at = row.created.map_or_else(|| "N/A".into(), |at| at.to_string());
        let since = match row.created {
            Some(created) if self.human => format!("{} ago", age::since(created, now)),
            _ => at.clone(),
        };
        let command = output::clean(&row.created_by.replace('\t', " "));
        json!({
            "ID": row.id.as_deref().map_or_else(|| "<missing>".into(), short),
            "CreatedSince": since,
            "CreatedAt": at,
            "CreatedBy": if self.no_trunc { command } else { ellipsis(&command) },
            "Size": if self.human { size::short(row.size) } else { row.size.to_string() },
            "Comment": output::clean(&row.comment),
        })
    }
}

fn ellipsis(text: &str) -> String {
    match text.chars().count() > COMMAND {
        true => text.chars().take(COMMAND - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

async fn rows(session: &Session, image: &Image) -> Result<Vec<Row>> {
    let mut sizes = sizes(session, image).await?.into_iter();
    let mut rows = Vec::new();
    for step in image.config.history() {
        let size = if step.empty_layer { 0 } else { sizes.next().unwrap_or(0) };
        rows.push(Row {
            created: step.created.as_deref().and_then(|time| time.parse().ok()),
            created_by: step.created_by,
            size,
            comment: step.comment,
            id: None,
        });
    }
    // Layers of which nothing is told.
    rows.extend(sizes.map(|size| Row { size, ..Row::default() }));
    rows.reverse();
    if let Some(newest) = rows.first_mut() {
        newest.id = Some(image.id().to_string());
    }
    Ok(rows)
}

/// Of each layer, bottom first.
async fn sizes(session: &Session, image: &Image) -> Result<Vec<u64>> {
    let info = session.services.content.info(&session.scope, &image.id()).await?;
    let unpacked = session.services.named_by(&info.labels).await?;
    let stacks = unpacked.into_iter().find(|snapshotter| !snapshotter.copies);
    let mut sizes = Vec::with_capacity(image.layers.len());
    for layer in &image.layers {
        let usage = match &stacks {
            Some(snapshotter) => {
                let key = layer.chain_id().to_string();
                snapshotter.snapshots.usage(&session.scope, &key).await.found()?
            }
            None => None,
        };
        sizes.push(usage.map_or(layer.blob.size, |usage| usage.size));
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_ends_in_an_ellipsis() {
        assert_eq!(ellipsis(&"a".repeat(45)), "a".repeat(45));
        assert_eq!(ellipsis(&"a".repeat(46)), "a".repeat(44) + "…");
    }
}
