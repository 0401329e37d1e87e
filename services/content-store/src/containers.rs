//! The containers trait on the store: records of what runs, and the snapshots that they keep.

use async_trait::async_trait;
use varve_core::containers::{Any, Container, Containers, Runtime};
use varve_core::scope::check_identifier;
use varve_core::{Error, Filter, Kind, Mask, Namespace, Result, Scope, labels};

use crate::ContentStore;
use crate::layout::Layout;
use crate::records::{Noun, Sort, Stored, View, noun, values};
use crate::store::Store;

pub mod body;

use body::Body;

#[async_trait]
impl Containers for ContentStore {
    async fn get(&self, scope: &Scope, id: &str) -> Result<Container> {
        let (noun, layout) = (noun_of(scope, id)?, self.store.layout.clone());
        let read = self
            .store
            .records
            .read(move |db| again(|| load(db, &layout, &noun))?.ok_or_else(|| missing(&noun)));
        read.await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Container>> {
        let filter = Filter::parse(filters)?;
        let (namespace, layout) = (scope.namespace.clone(), self.store.layout.clone());
        self.store
            .records
            .read(move |db| {
                let all = again(|| all(db, &layout, &namespace))?.into_iter();
                Ok(all.filter(|one| filter.matches(one)).collect())
            })
            .await
    }

    async fn create(&self, scope: &Scope, new: &Container) -> Result<Container> {
        let noun = noun_of(scope, &new.id)?;
        let now = varve_core::time::now();
        let new = Container { created_at: now, updated_at: now, ..new.clone() };
        self.store
            .put_container(noun, new, |before, id| match before {
                Some(_) => Err(Error::already_exists(format!("container {id} already exists"))),
                None => Ok(()),
            })
            .await
    }

    async fn update(&self, scope: &Scope, new: &Container, mask: &Mask) -> Result<Container> {
        mask.check(&["spec", "extensions", "image", "snapshotkey"])?;
        let noun = noun_of(scope, &new.id)?;
        let mut now = self.get(scope, &new.id).await?;
        let read = now.updated_at;
        mask.apply_labels(&mut now.labels, &new.labels)?;
        now.replace(new, mask);
        now.updated_at = varve_core::time::now();
        self.store
            .put_container(noun, now, move |before, id| match before {
                Some(before) if before.updated == read => Ok(()),
                Some(_) => {
                    Err(Error::aborted(format!("container {id} was changed by another; try again")))
                }
                None => Err(Error::not_found(format!("container {id}: not found"))),
            })
            .await
    }

    async fn delete(&self, scope: &Scope, id: &str) -> Result<()> {
        let noun = noun_of(scope, id)?;
        let removed = self.store.records.write(move |change| {
            let old = noun.remove(change)?.ok_or_else(|| missing(&noun))?;
            values::decode::<values::Container>(&noun, &old.value)
        });
        let body = removed.await?.body;
        self.store.remove_body(body).await
    }
}

impl Store {
    /// Writes the body, then the record if `allowed` says so, and removes the body that it had.
    async fn put_container(
        &self,
        noun: Noun,
        new: Container,
        allowed: impl FnOnce(Option<&values::Container>, &str) -> Result<()> + Send + 'static,
    ) -> Result<Container> {
        labels::check(&new.labels)?;
        let target = varve_core::leases::Resource::snapshot(&new.snapshotter, &new.snapshot_key);
        let namespace = noun.namespace.clone();
        let body = self.write_body(Body::of(&new)).await?;
        let (value, labels) = (value(&new, body.clone()), new.labels.clone());
        let written = self.records.write(move |change| {
            let before = change.get(&noun.key())?;
            let before: Option<values::Container> =
                before.map(|bytes| values::decode(&noun, &bytes)).transpose()?;
            allowed(before.as_ref(), &noun.name)?;
            let value = values::encode(&value)?;
            noun.save(change, &Stored { value, labels, ..Stored::default() })?;
            Ok(before.and_then(|before| before.body))
        });
        let written = written.await;
        let unused = written.as_ref().map_or(body, Clone::clone);
        self.remove_body(unused).await?;
        self.settled(&namespace, &target).await;
        written.map(|_| new)
    }
}

/// A body may be replaced between reading the record and reading the file.
fn again<T>(read: impl Fn() -> Result<T>) -> Result<T> {
    let gone = |result: &Result<T>| matches!(result, Err(error) if error.kind() == Kind::DataLoss);
    let first = read();
    if gone(&first) { read() } else { first }
}

fn all(view: &impl View, layout: &Layout, namespace: &Namespace) -> Result<Vec<Container>> {
    let all = noun::list(view, Sort::Container, namespace)?.into_iter();
    all.map(|(id, stored)| container(layout, &Noun::new(Sort::Container, namespace, id), stored))
        .collect()
}

fn load(view: &impl View, layout: &Layout, noun: &Noun) -> Result<Option<Container>> {
    noun.load(view)?.map(|stored| container(layout, noun, stored)).transpose()
}

fn container(layout: &Layout, noun: &Noun, stored: Stored) -> Result<Container> {
    let value: values::Container = values::decode(noun, &stored.value)?;
    let body = value.body.as_deref().map(|name| Body::read(layout, name)).transpose()?;
    let body = body.unwrap_or_default();
    Ok(Container {
        id: noun.name.clone(),
        labels: stored.labels,
        image: value.image,
        runtime: Runtime { name: value.runtime, options: body.options.map(Any::from) },
        spec: body.spec.map(Any::from),
        snapshotter: value.snapshotter,
        snapshot_key: value.snapshot_key,
        created_at: value.created,
        updated_at: value.updated,
        extensions: body.extensions.into_iter().map(|(name, typed)| (name, typed.into())).collect(),
    })
}

fn value(container: &Container, body: Option<String>) -> values::Container {
    values::Container {
        image: container.image.clone(),
        runtime: container.runtime.name.clone(),
        snapshotter: container.snapshotter.clone(),
        snapshot_key: container.snapshot_key.clone(),
        created: container.created_at,
        updated: container.updated_at,
        body,
    }
}

fn noun_of(scope: &Scope, id: &str) -> Result<Noun> {
    check_identifier("container", id)?;
    Ok(Noun::new(Sort::Container, &scope.namespace, id))
}

fn missing(noun: &Noun) -> Error {
    Error::not_found(format!("container {}: not found", noun.name))
}
