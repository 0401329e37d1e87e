//! `varve df --verbose`: image by image, container by container.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use serde::Serialize;
use varve_core::images::{Image as Named, User};
use varve_core::{Result, Timestamp};

use super::account::Account;
use super::reclaimable;
use crate::commands::images::row::{self, Row as Listed};
use crate::output::{age, size, table::Table};
use crate::reach::{Keeper, Place, Root};
use crate::session::Session;

#[derive(Serialize)]
pub struct Detail {
    images: Vec<Image>,
    snapshotters: Vec<Snapshotter>,
    containers: Vec<Container>,
    ingests: Vec<Ingest>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    #[serde(flatten)]
    listed: Listed,
    /// Bytes on disk of all that the image keeps: documents, layers, snapshots.
    disk: u64,
    /// Of those, what other images keep too, and what it keeps alone.
    shared_size: u64,
    unique_size: u64,
    containers: usize,
    mounts: usize,
}

#[derive(Serialize)]
struct Snapshotter {
    name: String,
    total: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

#[derive(Serialize)]
struct Container {
    id: String,
    image: String,
    snapshotter: String,
    /// Bytes of its own snapshot.
    size: u64,
    created: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ingest {
    #[serde(rename = "ref")]
    name: String,
    size: u64,
    started: Timestamp,
    /// The next collection takes it.
    reclaimable: bool,
}

impl Detail {
    pub async fn of(session: &Session, account: &Account) -> Result<Self> {
        Ok(Self {
            images: images(session, account).await?,
            snapshotters: snapshotters(account),
            containers: containers(account),
            ingests: ingests(account),
        })
    }
}

/// Newest first, as they are listed.
async fn images(session: &Session, account: &Account) -> Result<Vec<Image>> {
    let names: Vec<Named> = account.images.values().flatten().cloned().collect();
    let rows = row::rows(session, names.clone()).await?;
    let kept = kept(account);
    let mut of = HashMap::<&Place, usize>::new();
    kept.values().flatten().for_each(|place| *of.entry(place).or_default() += 1);
    let image = |(named, listed): (Named, Listed)| {
        let places = &kept[&named.target.digest.to_string()];
        let disk = |place: &Place| account.size_of(place).disk;
        let all = places.iter().map(disk).sum();
        let alone = places.iter().filter(|place| of[place] == 1).map(disk).sum();
        let users = account.users.of(&named);
        let containers = users.iter().filter(|user| matches!(user, User::Container(_))).count();
        Image {
            listed,
            disk: all,
            shared_size: all - alone,
            unique_size: alone,
            containers,
            mounts: users.len() - containers,
        }
    };
    let mut images: Vec<Image> = names.into_iter().zip(rows).map(image).collect();
    images.sort_by(|a, b| {
        let (a, b) = (&a.listed, &b.listed);
        b.created().cmp(&a.created()).then_with(|| a.name.cmp(&b.name))
    });
    Ok(images)
}

/// What each image keeps, by its target.
fn kept(account: &Account) -> HashMap<String, HashSet<Place>> {
    let name = |root: &Root| match &root.keeper {
        Keeper::Image(name) => Some(name.clone()),
        _ => None,
    };
    let roots = account.graph.roots().iter();
    let roots: HashMap<String, &Root> =
        roots.filter_map(|root| Some((name(root)?, root))).collect();
    let of = |names: &Vec<Named>| {
        account.graph.below(names.iter().filter_map(|named| roots.get(&named.name).copied()))
    };
    account.images.iter().map(|(target, names)| (target.to_string(), of(names))).collect()
}

fn snapshotters(account: &Account) -> Vec<Snapshotter> {
    let mut each: BTreeMap<&str, Vec<&Place>> = BTreeMap::new();
    for place in account.graph.places() {
        if let Place::Snapshot(name, _) = place {
            each.entry(name).or_default().push(place);
        }
    }
    let row = |(name, places): (&str, Vec<&Place>)| {
        let row = account.row("", &places);
        Snapshotter {
            name: name.to_owned(),
            total: row.total,
            active: row.active,
            size: row.size,
            reclaimable: row.reclaimable,
        }
    };
    each.into_iter().map(row).collect()
}

fn containers(account: &Account) -> Vec<Container> {
    let row = |it: &varve_core::containers::Container| {
        let own = Place::Snapshot(it.snapshotter.clone(), it.snapshot_key.clone());
        Container {
            id: it.id.clone(),
            image: it.image.clone(),
            snapshotter: it.snapshotter.clone(),
            size: account.size_of(&own).disk,
            created: it.created_at,
        }
    };
    account.containers.iter().map(row).collect()
}

fn ingests(account: &Account) -> Vec<Ingest> {
    let row = |it: &varve_core::content::Status| Ingest {
        name: it.ingest.clone(),
        size: it.offset,
        started: it.started_at,
        reclaimable: account.is_idle(it),
    };
    account.ingests.iter().map(row).collect()
}

impl fmt::Display for Detail {
    /// Only what there is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = varve_core::time::now();
        let tables = [
            ("Images", self.images.is_empty(), self.images_table(now)),
            ("Snapshots", self.snapshotters.is_empty(), self.snapshotters_table()),
            ("Containers", self.containers.is_empty(), self.containers_table(now)),
            ("Ingests", self.ingests.is_empty(), self.ingests_table(now)),
        ];
        for (title, _, table) in tables.iter().filter(|(_, empty, _)| !empty) {
            write!(f, "\n{title} space usage:\n\n{table}")?;
        }
        Ok(())
    }
}

impl Detail {
    fn images_table(&self, now: Timestamp) -> Table {
        let mut table = Table::new(&[
            "REPOSITORY",
            "TAG",
            "IMAGE ID",
            "CREATED",
            "SIZE",
            "SHARED SIZE",
            "UNIQUE SIZE",
            "CONTAINERS",
        ]);
        for image in &self.images {
            let listed = &image.listed;
            let id =
                listed.id().map_or_else(|| "<missing>".to_owned(), |id| id.hex()[..12].to_owned());
            let created = listed.created().map(|it| format!("{} ago", age::since(it, now)));
            table.row([
                listed.repository.clone(),
                listed.tag.clone(),
                id,
                created.unwrap_or_else(|| "N/A".into()),
                size::short(image.disk),
                size::short(image.shared_size),
                size::short(image.unique_size),
                users(image.containers, image.mounts),
            ]);
        }
        table
    }

    fn snapshotters_table(&self) -> Table {
        let mut table = Table::new(&["SNAPSHOTTER", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
        for it in &self.snapshotters {
            let free = reclaimable(it.reclaimable, it.size);
            let (total, active) = (it.total.to_string(), it.active.to_string());
            table.row([it.name.clone(), total, active, size::exact(it.size), free]);
        }
        table
    }

    fn containers_table(&self, now: Timestamp) -> Table {
        let mut table = Table::new(&["CONTAINER ID", "IMAGE", "SNAPSHOTTER", "SIZE", "CREATED"]);
        for it in &self.containers {
            let created = format!("{} ago", age::since(it.created, now));
            let (image, by) = (it.image.clone(), it.snapshotter.clone());
            table.row([it.id.clone(), image, by, size::exact(it.size), created]);
        }
        table
    }

    fn ingests_table(&self, now: Timestamp) -> Table {
        let mut table = Table::new(&["REF", "SIZE", "STARTED", "RECLAIMABLE"]);
        for it in &self.ingests {
            let started = format!("{} ago", age::since(it.started, now));
            let goes = if it.reclaimable { "yes" } else { "no" };
            table.row([it.name.clone(), size::exact(it.size), started, goes.to_owned()]);
        }
        table
    }
}

/// Docker's number; mounts, which keep an image as containers do, are told where there are any.
fn users(containers: usize, mounts: usize) -> String {
    match mounts {
        0 => containers.to_string(),
        1 => format!("{containers}, 1 mount"),
        _ => format!("{containers}, {mounts} mounts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_told_beside_containers() {
        assert_eq!([users(2, 0), users(0, 1), users(1, 3)], ["2", "0, 1 mount", "1, 3 mounts"]);
    }
}
