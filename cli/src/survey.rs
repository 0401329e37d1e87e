//! Many images looked at together: each target once, some of them at the same time, and each layer's size asked
//! for once, however many images stand on it.

mod cache;
mod trees;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use varve_core::images::Image as Named;
use varve_core::unpack::Layer;
use varve_core::{ChainId, Digest, Error, Result, Scope, Timestamp};

use crate::image::Image;
use crate::services::Services;
use crate::session::Session;
use crate::{find, progress};
use cache::Cache;

pub use trees::{Tree, Trees};

/// Images that are looked at at the same time: enough to keep a store elsewhere busy.
const AT_ONCE: usize = 32;

/// What is here of an image: for this machine, or else for the first platform that is here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// The config's digest.
    pub id: Digest,
    pub platform: String,
    pub created: Option<Timestamp>,
    /// The image's own.
    pub labels: BTreeMap<String, String>,
    /// Bytes of the layers as they were downloaded.
    pub packed_size: u64,
    /// What it unpacks to, bottom first.
    pub layers: Vec<ChainId>,
    /// Where it is unpacked, if it is and that was asked for.
    pub tree: Option<Tree>,
}

impl Seen {
    fn of(image: &Image) -> Self {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self {
            id: image.id(),
            platform: image.platform().to_string(),
            created: image.config.created.as_deref().and_then(|time| time.parse().ok()),
            labels: image.config.labels().map(owned).collect(),
            packed_size: image.layers.iter().map(|layer| layer.blob.size).sum(),
            layers: image.layers.iter().map(Layer::chain_id).collect(),
            tree: None,
        }
    }
}

/// What is here of each target, by its digest; nothing for one of which no platform is whole. One that is no image
/// is told of, and does not keep the others from being seen.
pub async fn images(session: &Session, all: &[Named]) -> Result<HashMap<Digest, Arc<Seen>>> {
    let cache = Cache::open(&session.store, all.len());
    look(session, all, Some(Trees::new(session)), cache).await
}

/// All names, and what is here of each target: earlier lists' findings are read while the store is asked for the
/// names.
pub async fn all(session: &Session) -> Result<(Vec<Named>, HashMap<Digest, Arc<Seen>>)> {
    let store = session.store.clone();
    let ahead = tokio::task::spawn_blocking(move || Cache::open(&store, usize::MAX));
    let all = session.services.images.list(&session.scope, &[]).await?;
    let failed = |error| Error::internal("reading what earlier lists saw").with_source(error);
    let cache = ahead.await.map_err(failed)?.for_images(all.len());
    let seen = look(session, &all, Some(Trees::new(session)), cache).await?;
    Ok((all, seen))
}

/// The ID of each target.
pub async fn ids(session: &Session, all: &[Named]) -> Result<HashMap<Digest, Digest>> {
    let cache = Cache::open(&session.store, all.len());
    let seen = look(session, all, None, cache).await?;
    Ok(seen.into_iter().map(|(target, seen)| (target, seen.id)).collect())
}

async fn look(
    session: &Session,
    all: &[Named],
    trees: Option<Trees>,
    cache: Cache,
) -> Result<HashMap<Digest, Arc<Seen>>> {
    let (services, scope) = (session.services.clone(), session.scope.clone());
    let mut known = HashSet::new();
    let once = all.iter().filter(|named| known.insert(named.target.digest));
    let once: Vec<&Named> = once.collect();
    let looker = Arc::new(Looker { services, scope, trees, cache });
    let unpacked = looker.any_tree().await?;
    let (mut seen, mut unknown) = (Vec::with_capacity(once.len()), Vec::new());
    for named in once {
        match looker.cache.get(&named.target.digest) {
            Some(known) if !unpacked && known.tree.is_none() => {
                seen.push((named.target.digest, (known.clone(), true)));
            }
            _ => unknown.push(named.clone()),
        }
    }
    let work = looker.clone();
    let looked = each(unknown, move |named| {
        let looker = work.clone();
        async move {
            let seen = looker.look(&named).await.unwrap_or_else(|error| {
                progress::warn(&format!("WARNING: {}: {}", named.name, error.chain()));
                None
            });
            Some((named.target.digest, seen?))
        }
    });
    seen.extend(looked.await?.into_iter().flatten());
    // Sizes are not asked for by everyone: a list that did not leaves the file as it is.
    if let Some(Looker { cache, trees: Some(_), .. }) = Arc::into_inner(looker) {
        let lasting = seen.iter().filter(|(_, (_, lasts))| *lasts);
        cache.keep(lasting.map(|(digest, (seen, _))| (*digest, &**seen)).collect());
    }
    Ok(seen.into_iter().map(|(digest, (seen, _))| (digest, seen)).collect())
}

struct Looker {
    services: Services,
    scope: Scope,
    trees: Option<Trees>,
    cache: Cache,
}

impl Looker {
    /// What is here, and whether it will be the same the next time.
    async fn look(&self, named: &Named) -> Result<Option<(Arc<Seen>, bool)>> {
        let (services, scope, target) = (&self.services, &self.scope, &named.target);
        if let Some(known) = self.cache.get(&target.digest) {
            return Ok(Some((self.with_tree(known).await?, true)));
        }
        if let Some(image) = find::best(services, scope, target).await? {
            return Ok(Some((self.with_tree(&Arc::new(Seen::of(&image))).await?, true)));
        }
        let Some(image) = find::other(services, scope, target).await? else { return Ok(None) };
        Ok(Some((self.with_tree(&Arc::new(Seen::of(&image))).await?, false)))
    }

    /// Whether trees are asked for and anything is unpacked here.
    async fn any_tree(&self) -> Result<bool> {
        match &self.trees {
            Some(trees) => trees.any().await,
            None => Ok(false),
        }
    }

    async fn with_tree(&self, seen: &Arc<Seen>) -> Result<Arc<Seen>> {
        let Some(trees) = &self.trees else { return Ok(seen.clone()) };
        let stands = match (&seen.tree, seen.layers.last()) {
            (Some(tree), Some(top)) => trees.has(&tree.snapshotter, top).await?,
            _ => false,
        };
        if stands {
            return Ok(seen.clone());
        }
        let tree = trees.of(&seen.id, &seen.layers).await?;
        Ok(if tree == seen.tree {
            seen.clone()
        } else {
            Arc::new(Seen { tree, ..(**seen).clone() })
        })
    }
}

/// Does `work` for every item, for [`AT_ONCE`] of them at the same time. In no order.
pub async fn each<I, T, F>(
    items: Vec<I>,
    work: impl Fn(I) -> F + Clone + Send + 'static,
) -> Result<Vec<T>>
where
    I: Send + 'static,
    T: Send + 'static,
    F: Future<Output = T> + Send,
{
    each_of(AT_ONCE, items, work).await
}

/// The same for so many at the same time.
pub async fn each_of<I, T, F>(
    at_once: usize,
    items: Vec<I>,
    work: impl Fn(I) -> F + Clone + Send + 'static,
) -> Result<Vec<T>>
where
    I: Send + 'static,
    T: Send + 'static,
    F: Future<Output = T> + Send,
{
    let many = items.len();
    let queue = Arc::new(Mutex::new(items.into_iter()));
    let mut workers = JoinSet::new();
    for _ in 0..many.min(at_once) {
        let (queue, work) = (queue.clone(), work.clone());
        let next = move || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        workers.spawn(async move {
            let mut done = Vec::new();
            while let Some(item) = next() {
                done.push(work(item).await);
            }
            done
        });
    }
    let mut all = Vec::with_capacity(many);
    while let Some(done) = workers.join_next().await {
        all.extend(done.map_err(|error| Error::internal("looking at images").with_source(error))?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_item_is_worked_on_once() {
        let mut done = each((0..1000).collect(), |n| async move { n * 2 }).await.unwrap();
        done.sort_unstable();
        assert_eq!(done, (0..1000).map(|n| n * 2).collect::<Vec<_>>());
        assert!(each(Vec::<u8>::new(), |n| async move { n }).await.unwrap().is_empty());
    }
}
