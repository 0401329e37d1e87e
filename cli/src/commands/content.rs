//! `varve content`: blobs and ingests.

use clap::{Args, Subcommand};
use serde::Serialize;
use varve_core::content::{Info, Status};
use varve_core::{Digest, Error, Labels, Timestamp};

use super::label_cell;
use crate::failure::Result;
use crate::output::table::Table;
use crate::output::{self, age, size};
use crate::session::Session;

/// Bytes of a blob that are read at a time.
const CHUNK: usize = 1 << 20;

/// Look at the blobs that images consist of
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve content ls\n  varve content get sha256:... > blob")]
pub struct Content {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the blobs
    #[command(visible_alias = "list")]
    #[command(after_help = "Example:\n  varve content ls 'labels.\"containerd.io/uncompressed\"'")]
    Ls {
        /// containerd's filters, such as size==12; a blob that matches any is shown
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Write a blob's bytes to stdout
    #[command(after_help = "Example:\n  varve content get sha256:... > blob")]
    Get {
        #[arg(value_name = "DIGEST", add = crate::complete::blobs())]
        digest: Digest,
    },
    /// Show what is known of a blob
    #[command(after_help = "Example:\n  varve content info sha256:...")]
    Info {
        #[arg(value_name = "DIGEST", add = crate::complete::blobs())]
        digest: Digest,
    },
    /// List the downloads that are not finished, under way or interrupted
    #[command(after_help = "Example:\n  varve content active")]
    Active,
}

impl Content {
    pub async fn run(self, session: &Session) -> Result<()> {
        match self.command {
            Command::Ls { filters } => ls(session, &filters).await,
            Command::Get { digest } => get(session, &digest).await,
            Command::Info { digest } => info(session, &digest).await,
            Command::Active => active(session).await,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob {
    digest: String,
    size: u64,
    created: Timestamp,
    updated: Timestamp,
    labels: Labels,
    /// Stored edges that point to it; only where one blob is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    references: Option<u64>,
}

impl Blob {
    fn of(info: Info, references: Option<u64>) -> Self {
        Self {
            digest: info.digest.to_string(),
            size: info.size,
            created: info.created_at,
            updated: info.updated_at,
            labels: info.labels,
            references,
        }
    }
}

async fn ls(session: &Session, filters: &[String]) -> Result<()> {
    let blobs = session.services.content.list(&session.scope, filters).await?;
    let blobs: Vec<_> = blobs.into_iter().map(|info| Blob::of(info, None)).collect();
    let now = varve_core::time::now();
    let mut table = Table::new(&["DIGEST", "SIZE", "AGE", "LABELS"]);
    for blob in &blobs {
        let age = age::since(blob.created, now);
        table.row([blob.digest.clone(), size::exact(blob.size), age, label_cell(&blob.labels)]);
    }
    session.output.table(&table, &blobs)
}

/// Writes a blob to stdout.
pub async fn get(session: &Session, digest: &Digest) -> Result<()> {
    let reader = session.services.content.reader(&session.scope, digest).await?;
    let mut offset = 0;
    while offset < reader.size() {
        let bytes = reader.read_at(offset, CHUNK).await?;
        if bytes.is_empty() {
            return Err(Error::data_loss(format!("blob {digest} ended before its size")).into());
        }
        output::write(&bytes)?;
        offset += bytes.len() as u64;
    }
    Ok(())
}

async fn info(session: &Session, digest: &Digest) -> Result<()> {
    let info = session.services.content.info(&session.scope, digest).await?;
    let references = session.services.collector.references(&session.scope, digest).await?;
    let blob = Blob::of(info, Some(references));
    let mut lines = vec![
        format!("Digest:      {}", blob.digest),
        format!("Size:        {} ({} bytes)", size::exact(blob.size), blob.size),
        format!("Created:     {}", blob.created),
        format!("Updated:     {}", blob.updated),
        format!("References:  {references}"),
    ];
    lines.extend(super::label_lines(&blob.labels));
    session.output.lines(&lines, &blob)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ingest {
    #[serde(rename = "ref")]
    name: String,
    /// Bytes it has, and will have.
    offset: u64,
    total: u64,
    expected: Option<String>,
    started: Timestamp,
    updated: Timestamp,
}

impl Ingest {
    fn of(status: Status) -> Self {
        Self {
            name: status.ingest,
            offset: status.offset,
            total: status.total,
            expected: status.expected.map(|digest| digest.to_string()),
            started: status.started_at,
            updated: status.updated_at,
        }
    }

    /// What it has, of how much where that is known.
    fn size(&self) -> String {
        match self.total {
            0 => size::exact(self.offset),
            total => format!("{} of {}", size::exact(self.offset), size::exact(total)),
        }
    }
}

async fn active(session: &Session) -> Result<()> {
    let ingests = session.services.content.list_statuses(&session.scope, &[]).await?;
    let ingests: Vec<_> = ingests.into_iter().map(Ingest::of).collect();
    let now = varve_core::time::now();
    let mut table = Table::new(&["REF", "SIZE", "AGE"]);
    for ingest in &ingests {
        table.row([ingest.name.clone(), ingest.size(), age::since(ingest.started, now)]);
    }
    session.output.table(&table, &ingests)
}
