//! What a collection removes, and the order in which it does: records, then ingests, snapshots and
//! files.

use std::collections::HashSet;
use std::sync::Arc;

use varve_core::collect::Collected;
use varve_core::{Digest, Namespace, Result, Timestamp};

use super::Extent;
use super::attend::{self, Guest, within};
use super::graph::{Graph, Place, is_over};
use crate::ingest::Ingest;
use crate::records::{Change, Sort, Target, View, blocking, edges, noun};
use crate::store::Store;

/// The outcome of a mark.
#[derive(Default)]
pub struct Verdict {
    pub collected: Collected,
    ingests: Vec<Arc<Ingest>>,
    /// Of `index.json`, where an image lost its target.
    pub generation: Option<u64>,
}

/// Marks, and removes the records of what is not marked.
pub fn judge(
    change: &mut Change<'_>,
    guests: &[Guest],
    idle: Vec<Arc<Ingest>>,
    now: Timestamp,
    dry_run: bool,
) -> Result<Verdict> {
    let absent = attend::absent(change, guests)?;
    let mut graph = Graph::default();
    graph.add_records(change, now)?;
    graph.add_roots(change.barrier().seen());
    graph.add_roots(absent.roots);
    guests.iter().for_each(|guest| graph.add_nodes(&guest.name, &guest.frozen.nodes));
    let ingests = idle.into_iter();
    let ingests = ingests.filter(|one| !graph.holds_ingest(&one.namespace, &one.reference));
    let mut verdict = Verdict { ingests: ingests.collect(), ..Verdict::default() };
    let marked = graph.mark();
    verdict.collected.leases = ended_leases(change, now)?;
    match absent.unsettled {
        Some(name) => attend::warn_of_unsettled(&name),
        None => {
            verdict.collected.blobs = unmarked_blobs(change, &marked)?;
            verdict.collected.snapshots = unmarked_snapshots(guests, &marked);
        }
    }
    if !dry_run {
        verdict.generation = remove(change, &verdict.collected)?;
    }
    Ok(verdict)
}

fn ended_leases(view: &impl View, now: Timestamp) -> Result<Vec<(Namespace, String)>> {
    let leases = noun::list_all(view, Sort::Lease)?.into_iter();
    let ended = leases.filter(|(_, stored)| is_over(stored, now));
    Ok(ended.map(|(noun, _)| (noun.namespace, noun.name)).collect())
}

fn unmarked_blobs(view: &impl View, marked: &HashSet<Place>) -> Result<Vec<(Namespace, Digest)>> {
    let blobs = noun::list_all(view, Sort::Content)?.into_iter();
    let blobs = blobs.filter_map(|(noun, _)| Some((noun.namespace, noun.name.parse().ok()?)));
    Ok(blobs
        .filter(|(namespace, digest)| {
            !marked.contains(&(namespace.clone(), Target::Content(*digest)))
        })
        .collect())
}

fn unmarked_snapshots(
    guests: &[Guest],
    marked: &HashSet<Place>,
) -> Vec<(String, Namespace, String)> {
    let all = guests.iter().flat_map(|guest| {
        let nodes = guest.frozen.nodes.iter();
        nodes.map(|node| (guest.name.clone(), node.namespace.clone(), node.key.clone()))
    });
    all.filter(|(snapshotter, namespace, key)| {
        !marked.contains(&(namespace.clone(), Target::snapshot(snapshotter, key)))
    })
    .collect()
}

/// Removes the records of what is doomed; answers the index's new generation, if there is one.
pub fn remove(change: &mut Change<'_>, doomed: &Collected) -> Result<Option<u64>> {
    let mut generation = None;
    for (namespace, digest) in &doomed.blobs {
        let removed = crate::content::remove(change, namespace, digest)?;
        generation = removed.flatten().or(generation);
    }
    for (namespace, id) in &doomed.leases {
        noun::Noun::new(Sort::Lease, namespace, id.as_str()).remove(change)?;
    }
    Ok(generation)
}

impl Store {
    /// Ingests that nobody has touched for long. Whether a lease holds them is the graph's to say.
    pub fn idle_ingests(&self, now: Timestamp) -> Vec<Arc<Ingest>> {
        let idle = |ingest: &Ingest| {
            let (_, since) = ingest.taken();
            now.duration_since(since).unsigned_abs() >= self.config.idle_ingest && since <= now
        };
        let all = self.ingests.list().into_iter();
        all.filter(|ingest| !ingest.is_held() && idle(ingest)).collect()
    }

    /// Removes what was decided, and tells the bytes.
    pub async fn sweep(
        self: &Arc<Self>,
        guests: Vec<Guest>,
        verdict: &mut Verdict,
        extent: &Extent,
    ) -> Result<()> {
        self.sweep_ingests(verdict, extent.is_dry_run()).await?;
        let snapshots = self.sweep_snapshots(guests, &verdict.collected, extent).await;
        self.removal.end();
        verdict.collected.bytes += match extent {
            Extent::Whole { dry_run } => self.sweep_files(&verdict.collected, *dry_run).await?,
            Extent::Below(_) => self.sweep_files_of(&verdict.collected).await?,
        };
        if let Some(generation) = verdict.generation {
            self.project(generation).await?;
        }
        verdict.collected.bytes += snapshots?;
        Ok(())
    }

    async fn sweep_ingests(self: &Arc<Self>, verdict: &mut Verdict, dry_run: bool) -> Result<()> {
        for ingest in std::mem::take(&mut verdict.ingests) {
            let (bytes, _) = ingest.taken();
            if !dry_run {
                let Some(held) = ingest.hold() else { continue };
                self.drop_held(held).await?;
            }
            let collected = &mut verdict.collected;
            collected.ingests.push((ingest.namespace.clone(), ingest.reference.clone()));
            collected.bytes += bytes;
        }
        Ok(())
    }

    /// Every snapshotter is asked where the whole store is swept, also where none of its snapshots
    /// goes: it removes what it staged and forgot. The first error is told when all were asked.
    async fn sweep_snapshots(
        &self,
        guests: Vec<Guest>,
        collected: &Collected,
        extent: &Extent,
    ) -> Result<u64> {
        let (mut bytes, mut result) = (0, Ok(()));
        for guest in guests {
            let own = collected.snapshots.iter().filter(|(name, ..)| *name == guest.name);
            let own: Vec<(Namespace, String)> =
                own.map(|(_, namespace, key)| (namespace.clone(), key.clone())).collect();
            match extent {
                Extent::Whole { dry_run: true } => {
                    bytes += cost(&guest, &own);
                    continue;
                }
                Extent::Below(_) if own.is_empty() => continue,
                _ => {}
            }
            let removal = guest.attendee.remove(guest.frozen.generation, own);
            match within(self.config.attendee_limit, removal).await {
                Ok(freed) => bytes += freed,
                Err(error) => {
                    let message = format!("removing snapshots of {}", guest.name);
                    result = result.and(Err(error.context(message)));
                }
            }
        }
        result.map(|()| bytes)
    }

    /// Removes the files that no record names: those just condemned, and what a crash left. In a
    /// dry run tells the bytes of those that would have no record.
    async fn sweep_files(&self, collected: &Collected, dry_run: bool) -> Result<u64> {
        let doomed = if dry_run { collected.blobs.as_slice() } else { &[] };
        let unnamed = self.unnamed(doomed).await?;
        if !dry_run {
            return self.remove_files(unnamed).await;
        }
        let layout = self.layout.clone();
        let sizes = move || unnamed.iter().filter_map(|digest| layout.blob_size(digest)).sum();
        blocking(move || Ok(sizes())).await
    }

    /// Removes the files of what was condemned, and those that `index.json` has shown alone.
    async fn sweep_files_of(&self, collected: &Collected) -> Result<u64> {
        let mut files: Vec<Digest> = collected.blobs.iter().map(|(_, digest)| *digest).collect();
        files.extend(std::mem::take(&mut self.index.lock().await.dropped));
        self.remove_files(files).await
    }

    /// The files that have no holder but those in `doomed`.
    async fn unnamed(&self, doomed: &[(Namespace, Digest)]) -> Result<Vec<Digest>> {
        let doomed: HashSet<Vec<u8>> =
            doomed.iter().map(|(namespace, digest)| edges::holder_key(digest, namespace)).collect();
        let (layout, shown) = (self.layout.clone(), self.index.lock().await.derived.clone());
        self.records
            .read(move |db| {
                // One that gets a record meanwhile is spared when it is about to be removed.
                let all = layout.list_blobs()?.into_iter();
                let holders = db.scan(edges::HOLDERS)?.into_iter();
                let living = holders.filter(|(key, _)| !doomed.contains(key));
                let named: HashSet<Digest> =
                    living.filter_map(|(key, _)| edges::held(&key)).collect();
                Ok(all.filter(|it| !shown.contains(it) && !named.contains(it)).collect())
            })
            .await
    }
}

/// Bytes of the guest's snapshots among `doomed`.
fn cost(guest: &Guest, doomed: &[(Namespace, String)]) -> u64 {
    let doomed: HashSet<(&Namespace, &str)> =
        doomed.iter().map(|(namespace, key)| (namespace, key.as_str())).collect();
    let nodes = guest.frozen.nodes.iter();
    nodes
        .filter(|node| doomed.contains(&(&node.namespace, node.key.as_str())))
        .map(|n| n.size)
        .sum()
}
