//! Records of images.

use async_trait::async_trait;

use super::content::pick;
use super::state::{Room, State};
use super::store::Store;
use crate::error::{Error, Result};
use crate::images::{Image, Images, Record, Removal, Removed, User, dangling, in_use};
use crate::labels;
use crate::leases::Resource;
use crate::mask::Mask;
use crate::scope::Scope;
use crate::time;

#[async_trait]
impl Images for Store {
    async fn get(&self, scope: &Scope, name: &str) -> Result<Image> {
        self.lock().image(scope, name).cloned()
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Image>> {
        let state = self.lock();
        pick(state.look(scope).into_iter().flat_map(|room| room.images.values()), filters)
    }

    async fn create(&self, scope: &Scope, image: &Image) -> Result<Image> {
        if image.name.is_empty() {
            return Err(Error::invalid("an image needs a name"));
        }
        labels::check(&image.labels)?;
        let mut state = self.lock();
        if state.image(scope, &image.name).is_ok() {
            return Err(Error::already_exists(format!("image {}", image.name)));
        }
        let now = time::now();
        let image = Image { created_at: now, updated_at: now, ..image.clone() };
        state.room(scope).images.insert(image.name.clone(), image.clone());
        Ok(image)
    }

    async fn update(&self, scope: &Scope, image: &Image, mask: &Mask) -> Result<Image> {
        mask.check(&["target"])?;
        let mut state = self.lock();
        let mut new = state.image(scope, &image.name)?.clone();
        mask.apply_labels(&mut new.labels, &image.labels)?;
        if mask.has("target") {
            new.target = image.target.clone();
        }
        new.updated_at = time::now();
        state.room(scope).images.insert(new.name.clone(), new.clone());
        Ok(new)
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<()> {
        let mut state = self.lock();
        state.image(scope, name)?;
        state.room(scope).images.remove(name);
        Ok(())
    }

    async fn record(&self, scope: &Scope, record: Record) -> Result<Option<Image>> {
        let mut state = self.lock();
        check(&state, scope, &record)?;
        let room = state.room(scope);
        for (digest, more) in &record.content_labels {
            let info = room.blobs.get_mut(digest).expect("it was checked a line above");
            labels::merge(&mut info.labels, more);
            info.updated_at = time::now();
        }
        Ok(room.point(record))
    }

    async fn remove(&self, scope: &Scope, removal: Removal) -> Result<Removed> {
        let Removal { name, force } = removal;
        let mut state = self.lock();
        let image = state.image(scope, &name)?.clone();
        let room = state.room(scope);
        let users = match room.others(&image).next() {
            Some(_) => Vec::new(),
            None => room.users(&image),
        };
        if !users.is_empty() && (!force || name == dangling(&image.target.digest)) {
            return Err(in_use(&name, &users));
        }
        room.images.remove(&name);
        if !users.is_empty() {
            room.keep(&image);
        }
        let left = room.others(&image).map(|other| other.name.clone()).collect();
        Ok(Removed { image, left })
    }
}

impl State {
    fn image(&self, scope: &Scope, name: &str) -> Result<&Image> {
        let found = self.look(scope).and_then(|room| room.images.get(name));
        found.ok_or_else(|| Error::not_found(format!("image {name}")))
    }
}

/// All that could refuse a record, before any of it is done.
fn check(state: &State, scope: &Scope, record: &Record) -> Result<()> {
    if record.name.is_empty() {
        return Err(Error::invalid("an image needs a name"));
    }
    for (digest, more) in &record.content_labels {
        labels::check(more)?;
        state.blob(scope, digest)?;
    }
    Ok(())
}

impl Room {
    /// The images of the same target.
    fn others<'a>(&'a self, image: &'a Image) -> impl Iterator<Item = &'a Image> {
        let same =
            |other: &&Image| other.target.digest == image.target.digest && other.name != image.name;
        self.images.values().filter(same)
    }

    fn users(&self, image: &Image) -> Vec<User> {
        let digest = &image.target.digest;
        let containers = self.containers.values().filter(|one| one.is_of(&image.name, digest));
        let containers = containers.map(|one| User::Container(one.id.clone()));
        let held = Resource::content(digest);
        let leases = self.leases.values().filter(|lease| lease.resources.contains(&held));
        containers.chain(leases.filter_map(|held| User::of_lease(&held.lease.labels))).collect()
    }

    /// Points a name to its target and keeps what it pointed to before.
    fn point(&mut self, record: Record) -> Option<Image> {
        let before = self.images.remove(&record.name);
        let mut image = Image::new(&record.name, record.target);
        if let Some(before) = &before {
            image.created_at = before.created_at;
            image.labels.clone_from(&before.labels);
        }
        self.images.remove(&dangling(&image.target.digest));
        self.images.insert(record.name, image);
        if let Some(before) = &before {
            self.keep(before);
        }
        before
    }

    /// Leaves a record of an image that nothing names any more.
    fn keep(&mut self, lost: &Image) {
        if self.images.values().all(|image| image.target.digest != lost.target.digest) {
            let name = dangling(&lost.target.digest);
            self.images.insert(name.clone(), Image::new(name, lost.target.clone()));
        }
    }
}
