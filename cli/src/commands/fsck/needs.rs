//! Which images need a blob or a snapshot: what their records lead to.

use std::collections::{BTreeSet, HashMap, HashSet};

use varve_core::labels::{GC_REF_CONTENT, GC_REF_SNAPSHOT};
use varve_core::{Digest, Labels, Result};

use super::gallery::{Gallery, Room, Shown};
use crate::removal;
use crate::session::Session;
use crate::usage::is_dangling;

/// By snapshotter, if it is a snapshot, and noun.
type Noun = (Option<String>, String);

/// Names of images.
#[derive(Default)]
pub struct Needs(HashMap<Noun, BTreeSet<String>>);

impl Needs {
    /// Adds what the records lead to now: what they led to before a repair is kept.
    pub async fn load(&mut self, session: &Session, gallery: &Gallery) -> Result<()> {
        for room in &gallery.rooms {
            let parents = parents(room, gallery).await?;
            for shown in gallery.images.iter().filter(|it| it.scope == room.scope) {
                let names = names(session, shown);
                for noun in reached(&shown.target().digest, room, &parents) {
                    self.0.entry(noun).or_default().extend(names.iter().cloned());
                }
            }
        }
        Ok(())
    }

    pub fn of(&self, snapshotter: Option<&str>, noun: &str) -> Vec<String> {
        let noun = (snapshotter.map(str::to_owned), noun.to_owned());
        self.0.get(&noun).into_iter().flatten().cloned().collect()
    }
}

/// As Docker shows them; those of other namespaces say so.
fn names(session: &Session, shown: &Shown) -> Vec<String> {
    let namespace = &shown.scope.namespace;
    let own = *namespace == session.scope.namespace;
    let all = shown.names.iter().map(|named| match is_dangling(&named.name) {
        true => named.target.digest.short(),
        false => removal::familiar(&named.name),
    });
    all.map(|name| if own { name } else { format!("{name} (namespace {namespace})") }).collect()
}

/// What each snapshot stands on.
async fn parents(room: &Room, gallery: &Gallery) -> Result<HashMap<Noun, String>> {
    let mut parents = HashMap::new();
    for snapshotter in &gallery.snapshotters {
        for info in snapshotter.snapshots.list(&room.scope, &[]).await? {
            let Some(parent) = info.parent else { continue };
            parents.insert((Some(snapshotter.name.clone()), info.name), parent);
        }
    }
    Ok(parents)
}

/// All that is reached from an image's target.
fn reached(target: &Digest, room: &Room, parents: &HashMap<Noun, String>) -> HashSet<Noun> {
    let mut reached = HashSet::new();
    let mut next: Vec<Noun> = vec![(None, target.to_string())];
    while let Some(noun) = next.pop() {
        if !reached.insert(noun.clone()) {
            continue;
        }
        match &noun {
            (None, digest) => {
                let labels = digest.parse().ok().and_then(|digest: Digest| room.blobs.get(&digest));
                next.extend(labels.into_iter().flat_map(refers));
            }
            (snapshotter, _) => {
                next.extend(parents.get(&noun).map(|key| (snapshotter.clone(), key.clone())));
            }
        }
    }
    reached
}

fn refers(labels: &Labels) -> impl Iterator<Item = Noun> {
    labels.iter().filter_map(|(key, value)| {
        if let Some(rest) = key.strip_prefix(GC_REF_SNAPSHOT) {
            let snapshotter = rest.split('/').next().unwrap_or_default();
            return Some((Some(snapshotter.to_owned()), value.clone()));
        }
        key.starts_with(GC_REF_CONTENT).then(|| (None, value.clone()))
    })
}

#[cfg(test)]
mod tests {
    use varve_core::Scope;

    use super::*;

    #[test]
    fn an_image_needs_all_that_its_labels_lead_to() {
        let [index, manifest, config] = [b"i", b"m", b"c"].map(|bytes| Digest::of(bytes));
        let to = |key: String, value: String| Labels::from([(key, value)]);
        let blobs = HashMap::from([
            (index, to(format!("{GC_REF_CONTENT}.m.0"), manifest.to_string())),
            (manifest, to(format!("{GC_REF_CONTENT}.config"), config.to_string())),
            (config, to(format!("{GC_REF_SNAPSHOT}native"), "top".into())),
        ]);
        let room = Room { scope: Scope::default(), blobs };
        let native = |key: &str| (Some("native".to_owned()), key.to_owned());
        let parents = HashMap::from([(native("top"), "base".to_owned())]);
        let reached = reached(&index, &room, &parents);
        assert_eq!(reached.len(), 5);
        assert!(reached.contains(&native("base")), "{reached:?}");
    }
}
