//! The namespaces trait on the store.

use std::collections::BTreeMap;

use async_trait::async_trait;
use varve_core::namespaces::Namespaces;
use varve_core::{Error, Labels, Mask, Namespace, Result, labels};

use crate::ContentStore;
use crate::records::{Change, Noun, Sort, Stored, View, noun, values};

/// What can be in a namespace, and what to call it.
const ROOMS: [(Sort, &str); 4] = [
    (Sort::Content, "blobs"),
    (Sort::Image, "images"),
    (Sort::Lease, "leases"),
    (Sort::Container, "containers"),
];

#[async_trait]
impl Namespaces for ContentStore {
    async fn get(&self, namespace: &Namespace) -> Result<Labels> {
        let noun = noun_of(namespace);
        let stored = self.store.records.read(move |db| noun.load(db)).await?;
        Ok(stored.unwrap_or_default().labels)
    }

    async fn list(&self) -> Result<Vec<(Namespace, Labels)>> {
        let ingests = self.store.ingests.list();
        let mut all: BTreeMap<Namespace, Labels> =
            ingests.iter().map(|ingest| (ingest.namespace.clone(), Labels::new())).collect();
        let recorded = self.store.records.read(|db| {
            let mut found = BTreeMap::new();
            for (sort, _) in ROOMS {
                let nouns = noun::list_all(db, sort)?.into_iter();
                found.extend(nouns.map(|(noun, _)| (noun.namespace, Labels::new())));
            }
            let made = noun::list_all(db, Sort::Namespace)?.into_iter();
            found.extend(made.map(|(noun, stored)| (noun.namespace, stored.labels)));
            Ok(found)
        });
        all.extend(recorded.await?);
        Ok(all.into_iter().collect())
    }

    async fn create(&self, namespace: &Namespace, labels: &Labels) -> Result<()> {
        labels::check(labels)?;
        let (noun, labels) = (noun_of(namespace), labels.clone());
        self.store
            .records
            .write(move |change| {
                if change.has(&noun.key())? {
                    let message = format!("namespace {} already exists", noun.namespace);
                    return Err(Error::already_exists(message));
                }
                save(change, &noun, labels)
            })
            .await
    }

    async fn update(&self, namespace: &Namespace, labels: &Labels, mask: &Mask) -> Result<Labels> {
        mask.check(&[])?;
        let (noun, labels, mask) = (noun_of(namespace), labels.clone(), mask.clone());
        self.store
            .records
            .write(move |change| {
                let mut now = noun.load(change)?.unwrap_or_default().labels;
                mask.apply_labels(&mut now, &labels)?;
                save(change, &noun, now.clone())?;
                Ok(now)
            })
            .await
    }

    async fn delete(&self, namespace: &Namespace) -> Result<()> {
        let noun = noun_of(namespace);
        let ingests = self.has_ingests(namespace).then_some("ingests");
        self.store
            .records
            .write(move |change| {
                let mut left = left(change, &noun.namespace)?;
                left.extend(ingests);
                if !left.is_empty() {
                    let message =
                        format!("namespace {} still has {}", noun.namespace, left.join(", "));
                    return Err(Error::precondition(message));
                }
                noun.remove(change)?.map(drop).ok_or_else(|| missing(&noun.namespace))
            })
            .await
    }
}

impl ContentStore {
    fn has_ingests(&self, namespace: &Namespace) -> bool {
        self.store.ingests.list().iter().any(|ingest| ingest.namespace == *namespace)
    }
}

fn left(change: &Change<'_>, namespace: &Namespace) -> Result<Vec<&'static str>> {
    let mut left = Vec::new();
    for (sort, name) in ROOMS {
        if change.any(&noun::namespace_prefix(sort, namespace))? {
            left.push(name);
        }
    }
    Ok(left)
}

/// Keeps the time of a record that is there.
fn save(change: &mut Change<'_>, noun: &Noun, labels: Labels) -> Result<()> {
    let value = match change.get(&noun.key())? {
        Some(value) => value,
        None => values::encode(&values::Created { created: varve_core::time::now() })?,
    };
    noun.save(change, &Stored { value, labels, ..Stored::default() })
}

fn noun_of(namespace: &Namespace) -> Noun {
    Noun::new(Sort::Namespace, namespace, "")
}

fn missing(namespace: &Namespace) -> Error {
    Error::not_found(format!("namespace {namespace}: not found"))
}
