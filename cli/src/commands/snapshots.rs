//! `varve snapshots`: the stacks of trees.

pub mod diff;
mod layer;
mod tree;

use clap::{Args, Subcommand};
use serde::Serialize;
use varve_core::diff::NewLayer;
use varve_core::snapshots::{Info, Kind, NewSnapshot};
use varve_core::{Error, Labels, Mount, Timestamp};

use crate::args::SnapshotterArg;
use crate::failure::Result;
use crate::output::size;
use crate::output::table::Table;
use crate::services::Snapshotter;
use crate::session::Session;

/// Look at the unpacked layers and what is stacked on them
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve snapshots ls\n  varve snapshots tree")]
pub struct Snapshots {
    #[command(flatten)]
    snapshotter: SnapshotterArg,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the snapshots
    #[command(visible_alias = "list", after_help = "Example:\n  varve snapshots ls kind==view")]
    Ls {
        /// containerd's filters, such as kind==view; a snapshot that matches any is shown
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Show what is stacked on what
    #[command(after_help = "Example:\n  varve snapshots tree")]
    Tree,
    /// Show what is known of a snapshot
    #[command(after_help = "Example:\n  varve snapshots info sha256:...")]
    Info {
        #[arg(value_name = "KEY", add = crate::complete::snapshots())]
        key: String,
    },
    /// Show how to mount an active snapshot or a view
    #[command(after_help = "Example:\n  varve snapshots mounts KEY")]
    Mounts {
        #[arg(value_name = "KEY", add = crate::complete::snapshots())]
        key: String,
    },
    /// List what a snapshot changed of its parent
    ///
    /// A line for each path that was added (A), changed (C) or deleted (D); a directory is changed where
    /// its own attributes or times are.
    #[command(after_help = "Example:\n  varve snapshots diff KEY")]
    Diff {
        #[arg(value_name = "KEY", add = crate::complete::snapshots())]
        key: String,
    },
    /// Write what a snapshot changed of its parent to stdout, as a layer
    #[command(after_help = "Example:\n  varve snapshots layer KEY > layer.tar.gz")]
    Layer {
        #[arg(value_name = "KEY", add = crate::complete::snapshots())]
        key: String,
        /// The layer's media type, which says how it is compressed
        #[arg(long, value_name = "TYPE")]
        #[arg(default_value = "application/vnd.oci.image.layer.v1.tar+gzip")]
        media_type: String,
    },
}

impl Snapshots {
    pub async fn run(self, session: &Session) -> Result<()> {
        let name = self.snapshotter.snapshotter.as_deref();
        let snapshotter = session.services.snapshotter(name).await?;
        match self.command {
            Command::Ls { filters } => ls(session, &snapshotter, &filters).await,
            Command::Tree => tree::show(session, &snapshotter).await,
            Command::Info { key } => info(session, &snapshotter, &key).await,
            Command::Mounts { key } => mounts(session, &snapshotter, &key).await,
            Command::Diff { key } => diff::show(session, &snapshotter, &key).await,
            Command::Layer { key, media_type } => {
                let layer = NewLayer { media_type: media_type.into(), ..NewLayer::default() };
                layer::write(session, &snapshotter, &key, layer).await
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// Its key, or its name once committed.
    name: String,
    parent: Option<String>,
    kind: String,
    created: Timestamp,
    updated: Timestamp,
    labels: Labels,
}

impl Row {
    fn of(info: Info) -> Self {
        Self {
            name: info.name,
            parent: info.parent,
            kind: info.kind.as_str().to_lowercase(),
            created: info.created_at,
            updated: info.updated_at,
            labels: info.labels,
        }
    }
}

async fn ls(session: &Session, snapshotter: &Snapshotter, filters: &[String]) -> Result<()> {
    let all = snapshotter.snapshots.list(&session.scope, filters).await?;
    let mut table = Table::new(&["KEY", "PARENT", "KIND"]);
    for info in &all {
        let parent = info.parent.clone().unwrap_or_default();
        table.row([info.name.clone(), parent, info.kind.to_string()]);
    }
    let rows: Vec<_> = all.into_iter().map(Row::of).collect();
    session.output.table(&table, &rows)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(flatten)]
    row: Row,
    snapshotter: String,
    /// Bytes and inodes of it alone, parents not counted.
    size: u64,
    inodes: u64,
    /// Where its whole tree can be read without mounting anything, if it can.
    path: Option<String>,
}

async fn info(session: &Session, snapshotter: &Snapshotter, key: &str) -> Result<()> {
    let (scope, snapshots) = (&session.scope, &snapshotter.snapshots);
    let info = snapshots.stat(scope, key).await?;
    let usage = snapshots.usage(scope, key).await?;
    let path = path(session, snapshotter, &info).await?;
    let detail = Detail {
        row: Row::of(info),
        snapshotter: snapshotter.name.clone(),
        size: usage.size,
        inodes: usage.inodes,
        path,
    };
    session.output.lines(&lines(&detail), &detail)
}

fn lines(detail: &Detail) -> Vec<String> {
    let row = &detail.row;
    let mut lines = vec![
        format!("Name:     {}", row.name),
        format!("Parent:   {}", row.parent.as_deref().unwrap_or("-")),
        format!("Kind:     {}", row.kind),
        format!("Created:  {}", row.created),
        format!("Updated:  {}", row.updated),
        format!("Size:     {} ({} inodes)", size::exact(detail.size), detail.inodes),
    ];
    lines.extend(detail.path.iter().map(|path| format!("Path:     {path}")));
    lines.extend(super::label_lines(&row.labels));
    lines
}

/// The directory with the whole tree, where there is one.
pub async fn path(
    session: &Session,
    snapshotter: &Snapshotter,
    info: &Info,
) -> varve_core::Result<Option<String>> {
    // The others stack layers when they are mounted: no directory has it all.
    if !snapshotter.copies {
        return Ok(None);
    }
    let (scope, snapshots) = (&session.scope, &snapshotter.snapshots);
    let mounts = match info.kind {
        Kind::Active | Kind::View => snapshots.mounts(scope, &info.name).await?,
        Kind::Committed => {
            // Only a view of it has mounts; it is gone before anybody could see it.
            let key = format!("varve-look-{}", std::process::id());
            let parent = Some(info.name.clone());
            let view = NewSnapshot { key: key.clone(), parent, labels: Labels::new() };
            let mounts = snapshots.view(scope, view).await?;
            snapshots.remove(scope, &key).await?;
            mounts
        }
    };
    Ok(mounts.into_iter().find(|mount| mount.kind == "bind").map(|mount| mount.source))
}

async fn mounts(session: &Session, snapshotter: &Snapshotter, key: &str) -> Result<()> {
    let mounts = snapshotter.snapshots.mounts(&session.scope, key).await?;
    if mounts.is_empty() {
        return Err(Error::internal(format!("snapshot {key} has no mounts")).into());
    }
    let lines: Vec<_> = mounts.iter().map(mount_line).collect();
    session.output.lines(&lines, &mounts)
}

/// As mount(8) would be asked, for a directory DIR.
fn mount_line(mount: &Mount) -> String {
    let options = mount.options.join(",");
    format!("mount -t {} {} DIR -o {options}", mount.kind, mount.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_shown_as_a_command() {
        let mount = Mount::bind("/x", "ro");
        assert_eq!(mount_line(&mount), "mount -t bind /x DIR -o ro,rbind");
    }
}
