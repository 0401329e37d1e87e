//! The images trait on the store: names that point to content.

mod removal;

use async_trait::async_trait;
use varve_core::images::{self, Image, Images, Record, Removal, Removed};
use varve_core::{
    Descriptor, Error, Filter, Labels, Mask, Namespace, Result, Scope, Timestamp, labels,
};

use crate::ContentStore;
use crate::content::relabel;
use crate::index::{self, Entries};
use crate::records::{Change, Noun, Sort, Stored, View, edges, noun, values};

#[async_trait]
impl Images for ContentStore {
    async fn get(&self, scope: &Scope, name: &str) -> Result<Image> {
        let noun = noun_of(scope, name)?;
        self.store.records.read(move |db| load(db, &noun)?.ok_or_else(|| missing(&noun))).await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Image>> {
        let filter = Filter::parse(filters)?;
        let namespace = scope.namespace.clone();
        let all = self.store.records.read(move |db| list(db, &namespace)).await?;
        Ok(all.into_iter().filter(|image| filter.matches(image)).collect())
    }

    async fn create(&self, scope: &Scope, image: &Image) -> Result<Image> {
        let (noun, image) = (noun_of(scope, &image.name)?, image.clone());
        labels::check(&image.labels)?;
        self.change(move |change| {
            if change.has(&noun.key())? {
                return Err(Error::already_exists(format!("image {} already exists", noun.name)));
            }
            let now = varve_core::time::now();
            let image = Image { created_at: now, updated_at: now, ..image };
            save(change, &noun, &image)?;
            Ok((image, index::bump(change, &noun.namespace, shown(&noun))?))
        })
        .await
    }

    async fn update(&self, scope: &Scope, image: &Image, mask: &Mask) -> Result<Image> {
        let (noun, image, mask) = (noun_of(scope, &image.name)?, image.clone(), mask.clone());
        mask.check(&["target", "annotations"])?;
        self.change(move |change| {
            let mut now = load(change, &noun)?.ok_or_else(|| missing(&noun))?;
            mask.apply_labels(&mut now.labels, &image.labels)?;
            if mask.has("target") {
                now.target = image.target;
            } else if mask.has("annotations") {
                now.target.annotations = image.target.annotations;
            }
            now.updated_at = varve_core::time::now();
            save(change, &noun, &now)?;
            Ok((now, index::bump(change, &noun.namespace, shown(&noun))?))
        })
        .await
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<()> {
        let noun = noun_of(scope, name)?;
        self.change(move |change| {
            noun.remove(change)?.ok_or_else(|| missing(&noun))?;
            Ok(((), index::bump(change, &noun.namespace, shown(&noun))?))
        })
        .await
    }

    async fn record(&self, scope: &Scope, new: Record) -> Result<Option<Image>> {
        let noun = noun_of(scope, &new.name)?;
        new.content_labels.iter().try_for_each(|(_, labels)| labels::check(labels))?;
        let labels = new.content_labels.clone();
        let before = self.change(move |change| record(change, &noun, &new)).await?;
        for (_, labels) in &labels {
            self.store.settled_labels(&scope.namespace, labels).await;
        }
        Ok(before)
    }

    async fn remove(&self, scope: &Scope, removal: Removal) -> Result<Removed> {
        let noun = noun_of(scope, &removal.name)?;
        self.change(move |change| {
            let removed = removal::remove(change, &noun, removal.force)?;
            let kept = dangling(&noun.namespace, &removed.image.target).name;
            let shown = Entries::Of(vec![noun.name.clone(), kept]);
            Ok((removed, index::bump(change, &noun.namespace, shown)?))
        })
        .await
    }
}

impl ContentStore {
    /// A transaction that may change what `index.json` shows; answers when that is written too.
    async fn change<T: Send + 'static>(
        &self,
        op: impl FnOnce(&mut Change<'_>) -> Result<(T, Option<u64>)> + Send + 'static,
    ) -> Result<T> {
        let (answer, generation) = self.store.records.write(op).await?;
        if let Some(generation) = generation {
            self.store.project(generation).await?;
        }
        Ok(answer)
    }
}

/// [`Images::record`] inside a transaction; also answers the index's new generation.
pub fn record(
    change: &mut Change<'_>,
    noun: &Noun,
    new: &Record,
) -> Result<(Option<Image>, Option<u64>)> {
    let namespace = &noun.namespace;
    let mut changed = false;
    for (digest, labels) in &new.content_labels {
        changed |= merge(change, namespace, digest, labels)?;
    }
    let before = load(change, noun)?;
    let moved = before.as_ref().is_none_or(|image| image.target != new.target);
    if moved {
        point(change, noun, before.as_ref(), &new.target)?;
    }
    if let Some(old) = before.as_ref().filter(|old| old.target.digest != new.target.digest) {
        keep(change, noun, old)?;
    }
    let dangling = dangling(namespace, &new.target);
    let named = dangling != *noun && dangling.remove(change)?.is_some();
    let old = before.as_ref().map(|old| images::dangling(&old.target.digest));
    let names = [noun.name.clone(), dangling.name].into_iter().chain(old);
    // New labels come with another platform of an index, which may have other names.
    let shown = if changed { Entries::All } else { Entries::Of(names.collect()) };
    let any = moved || named || changed;
    let generation = if any { index::bump(change, namespace, shown)? } else { None };
    Ok((before, generation))
}

/// Merges labels into a blob's own; answers whether that changed anything.
fn merge(
    change: &mut Change<'_>,
    namespace: &Namespace,
    digest: &varve_core::Digest,
    new: &Labels,
) -> Result<bool> {
    let noun = Noun::content(namespace, digest);
    let stored = noun.load(change)?.ok_or_else(|| crate::content::missing(digest))?;
    let mut merged = stored.labels.clone();
    labels::merge(&mut merged, new);
    if merged == stored.labels {
        return Ok(false);
    }
    relabel(change, namespace, digest, |labels| {
        *labels = merged;
        Ok(())
    })
    .map(|_| true)
}

/// Points the name to `target`; its labels and the time of its creation stay.
fn point(
    change: &mut Change<'_>,
    noun: &Noun,
    before: Option<&Image>,
    target: &Descriptor,
) -> Result<()> {
    let mut image = before.cloned().unwrap_or_else(|| Image::new(&noun.name, target.clone()));
    image.target = target.clone();
    image.updated_at = varve_core::time::now();
    save(change, noun, &image)
}

/// Leaves a dangling record, with the image's labels, where nothing names the image any longer.
pub fn keep(change: &mut Change<'_>, noun: &Noun, old: &Image) -> Result<()> {
    if !edges::owners(change, &noun.namespace, &old.target.digest, Sort::Image)?.is_empty() {
        return Ok(());
    }
    let dangling = dangling(&noun.namespace, &old.target);
    let kept = Image { name: dangling.name.clone(), ..old.clone() };
    save(change, &dangling, &Image { updated_at: varve_core::time::now(), ..kept })
}

/// The one entry of `index.json` that a change of this image changes.
fn shown(noun: &Noun) -> Entries {
    Entries::Of(vec![noun.name.clone()])
}

fn dangling(namespace: &Namespace, target: &Descriptor) -> Noun {
    Noun::new(Sort::Image, namespace, images::dangling(&target.digest))
}

pub fn noun_of(scope: &Scope, name: &str) -> Result<Noun> {
    noun::check_name("image", name)?;
    Ok(Noun::new(Sort::Image, &scope.namespace, name))
}

pub fn missing(noun: &Noun) -> Error {
    Error::not_found(format!("image {}: not found", noun.name))
}

/// All images of a namespace, by name.
pub fn list(view: &impl View, namespace: &Namespace) -> Result<Vec<Image>> {
    let all = noun::list(view, Sort::Image, namespace)?.into_iter();
    all.map(|(name, stored)| image(&Noun::new(Sort::Image, namespace, name), stored)).collect()
}

pub fn load(view: &impl View, noun: &Noun) -> Result<Option<Image>> {
    noun.load(view)?.map(|stored| image(noun, stored)).transpose()
}

fn image(noun: &Noun, stored: Stored) -> Result<Image> {
    let value: values::Image = values::decode(noun, &stored.value)?;
    let (created_at, updated_at): (Timestamp, Timestamp) = (value.created, value.updated);
    let (name, target) = (noun.name.clone(), value.target);
    Ok(Image { name, target, labels: stored.labels, created_at, updated_at })
}

/// Writes an image as it is.
fn save(change: &mut Change<'_>, noun: &Noun, image: &Image) -> Result<()> {
    let value = values::Image {
        target: image.target.clone(),
        created: image.created_at,
        updated: image.updated_at,
    };
    let (value, labels) = (values::encode(&value)?, image.labels.clone());
    noun.save(change, &Stored { value, labels, ..Stored::default() })
}
