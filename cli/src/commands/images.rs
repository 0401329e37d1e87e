//! `varve images`: names, and what they point to.

use clap::{Args, Subcommand};
use serde::Serialize;
use varve_core::images::Image as Named;
use varve_core::labels::DANGLING;
use varve_core::{Kind, Platform, Reference, Result, ResultExt, Timestamp};

use crate::failure;
use crate::image::{Documents, Image};
use crate::output::table::Table;
use crate::output::{age, size};
use crate::services::Snapshotter;
use crate::session::Session;

/// Show the images that are here
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  varve images\n  varve images ls --output json")]
pub struct Images {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the images that are here: the size is that of the unpacked layers
    #[command(visible_alias = "list", after_help = "Example:\n  varve images ls")]
    Ls,
}

impl Images {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let mut rows = Vec::new();
        for named in session.services.images.list(&session.scope, &[]).await? {
            rows.push(row(session, named).await?);
        }
        // Docker's order: the newest first.
        rows.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.name.cmp(&b.name)));
        session.output.table(&table(&rows, varve_core::time::now()), &rows)
    }
}

/// An image, as it is listed.
#[derive(Serialize, Debug, Default)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    /// As Docker shows it; `<none>` for an image that lost its name.
    repository: String,
    tag: String,
    /// What the name points to.
    digest: String,
    media_type: String,
    /// The config's digest; none where no platform of it is here.
    id: Option<String>,
    platform: Option<String>,
    created: Option<Timestamp>,
    /// Bytes of the unpacked layers; none where they are not unpacked.
    size: Option<u64>,
    /// Bytes of the layers as they were downloaded.
    packed_size: Option<u64>,
    snapshotter: Option<String>,
}

async fn row(session: &Session, named: Named) -> Result<Row> {
    let (repository, tag) = repository_and_tag(&named.name);
    let mut row = Row {
        repository,
        tag,
        digest: named.target.digest.to_string(),
        media_type: named.target.media_type.to_string(),
        name: named.name.clone(),
        ..Row::default()
    };
    if let Some(image) = present(session, &named).await.context(|| named.name.clone())? {
        let unpacked = unpacked(session, &image).await?;
        row.id = Some(image.id().to_string());
        row.platform = Some(image.platform().to_string());
        row.created = image.config.created.as_deref().and_then(|time| time.parse().ok());
        row.packed_size = Some(image.layers.iter().map(|layer| layer.blob.size).sum());
        (row.snapshotter, row.size) = unpacked.unzip();
    }
    Ok(row)
}

/// `<none>` where the name is not one that a person gave, or has no tag; beside a digest Docker does
/// not show the tag either.
fn repository_and_tag(name: &str) -> (String, String) {
    let none = || "<none>".to_owned();
    match name.parse::<Reference>() {
        Ok(_) if name.starts_with(DANGLING) => (none(), none()),
        Ok(reference) => {
            let tag = reference.tag().filter(|_| reference.digest().is_none());
            (reference.familiar_repository(), tag.map_or_else(none, str::to_owned))
        }
        // Other clients of the store give names that are no references.
        Err(_) => (name.to_owned(), none()),
    }
}

/// The image for this machine, or else for the first platform that is here.
async fn present(session: &Session, named: &Named) -> Result<Option<Image>> {
    let documents = Documents { services: &session.services, scope: &session.scope, remote: None };
    let host = Platform::host();
    match documents.load(&named.target, &host).await {
        Ok(image) => return Ok(Some(image)),
        Err(error) if error.kind() == Kind::NotFound => {}
        Err(error) => return Err(error),
    }
    let Some(indexes) = documents.indexes(&named.target, &host).await.found()? else {
        return Ok(None);
    };
    let children: Vec<_> = indexes.iter().flat_map(|(_, index)| &index.manifests).collect();
    for child in children.into_iter().filter(|child| child.media_type.is_manifest()) {
        let info = session.services.content.info(&session.scope, &child.digest).await.found()?;
        if info.is_some() {
            let image = documents.below(indexes.clone(), child.clone()).await.found()?;
            if image.is_some() {
                return Ok(image);
            }
        }
    }
    Ok(None)
}

/// Where it is unpacked, as the config's labels tell, and how large it is there.
async fn unpacked(session: &Session, image: &Image) -> Result<Option<(String, u64)>> {
    let info = session.services.content.info(&session.scope, &image.id()).await?;
    for snapshotter in session.services.named_by(&info.labels).await? {
        if let Some(size) = size_in(session, &snapshotter, image).await? {
            return Ok(Some((snapshotter.name, size)));
        }
    }
    Ok(None)
}

/// The sum of the layers, or the size of the uppermost where each has the whole tree; `None` where
/// one of them is missing.
async fn size_in(
    session: &Session,
    snapshotter: &Snapshotter,
    image: &Image,
) -> Result<Option<u64>> {
    let first = if snapshotter.copies { image.layers.len().saturating_sub(1) } else { 0 };
    let mut sum = 0_u64;
    for layer in &image.layers[first..] {
        let chain_id = layer.chain_id().to_string();
        let usage = snapshotter.snapshots.usage(&session.scope, &chain_id).await.found()?;
        let Some(usage) = usage else { return Ok(None) };
        sum = sum.saturating_add(usage.size);
    }
    Ok(Some(sum))
}

fn table(rows: &[Row], now: Timestamp) -> Table {
    let mut table = Table::new(&["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    for row in rows {
        let id = row.id.as_deref().map_or("<missing>", |id| &id["sha256:".len()..][..12]);
        let created =
            row.created.map_or("N/A".into(), |created| format!("{} ago", age::since(created, now)));
        let size = match (row.size, row.packed_size) {
            (Some(size), _) => size::short(size),
            (None, Some(packed)) => format!("{} (packed)", size::short(packed)),
            (None, None) => "N/A".into(),
        };
        table.row([row.repository.clone(), row.tag.clone(), id.to_owned(), created, size]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(name: &str) -> Row {
        let (repository, tag) = repository_and_tag(name);
        Row { repository, tag, name: name.into(), ..Row::default() }
    }

    #[test]
    fn images_are_listed_as_docker_lists_them() {
        let now: Timestamp = "2024-03-01T00:00:00Z".parse().unwrap();
        let unpacked = Row {
            id: Some(format!("sha256:{}", "ab".repeat(32))),
            created: Some("2024-02-01T00:00:00Z".parse().unwrap()),
            size: Some(63_324_613),
            ..example("docker.io/library/alpine:3")
        };
        let packed = Row { size: None, packed_size: Some(1000), ..example("h:5000/x/y:1") };
        let missing = example("varve.dangling@sha256:00");
        let want = "REPOSITORY                 TAG       IMAGE ID       CREATED       SIZE\n\
                    alpine                     3         abababababab   4 weeks ago   63.3MB\n\
                    h:5000/x/y                 1         <missing>      N/A           1kB (packed)\n\
                    varve.dangling@sha256:00   <none>    <missing>      N/A           N/A\n";
        assert_eq!(table(&[unpacked, packed, missing], now).to_string(), want);
    }

    #[test]
    fn an_image_that_lost_its_name_is_none() {
        let dangling = format!("{DANGLING}sha256:{}", "0".repeat(64));
        assert_eq!(repository_and_tag(&dangling), ("<none>".into(), "<none>".into()));
        for name in ["alpine", "alpine:3"] {
            let by_digest = format!("{name}@sha256:{}", "0".repeat(64));
            assert_eq!(repository_and_tag(&by_digest), ("alpine".into(), "<none>".into()));
        }
    }
}
