//! A containerd's images.

use std::sync::Arc;

use async_trait::async_trait;
use varve_core::containers::Containers;
use varve_core::content::Content;
use varve_core::images::{self, Image, Record, Removal, Removed, User, in_use};
use varve_core::leases::{Leases, Resource};
use varve_core::{Mask, Result, ResultExt, Scope};

/// What a name is recorded and removed with.
pub struct Images {
    pub images: Arc<dyn images::Images>,
    pub content: Arc<dyn Content>,
    pub containers: Arc<dyn Containers>,
    pub leases: Arc<dyn Leases>,
}

impl Images {
    async fn others(&self, scope: &Scope, image: &Image) -> Result<Vec<String>> {
        let filter = format!("target.digest=={}", image.target.digest);
        let all = self.images.list(scope, &[filter]).await?.into_iter().map(|other| other.name);
        Ok(all.filter(|name| *name != image.name).collect())
    }

    async fn users(&self, scope: &Scope, image: &Image) -> Result<Vec<User>> {
        let digest = &image.target.digest;
        let containers = self.containers.list(scope, &[]).await?.into_iter();
        let containers = containers.filter(|it| it.is_of(&image.name, digest));
        let mut users: Vec<User> = containers.map(|it| User::Container(it.id)).collect();
        for lease in self.leases.list(scope, &[]).await? {
            let Some(mount) = User::of_lease(&lease.labels) else { continue };
            let held = self.leases.list_resources(scope, &lease.id).await.found()?;
            if held.unwrap_or_default().contains(&Resource::content(digest)) {
                users.push(mount);
            }
        }
        Ok(users)
    }
}

#[async_trait]
impl images::Images for Images {
    async fn get(&self, scope: &Scope, name: &str) -> Result<Image> {
        self.images.get(scope, name).await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Image>> {
        self.images.list(scope, filters).await
    }

    async fn create(&self, scope: &Scope, image: &Image) -> Result<Image> {
        self.images.create(scope, image).await
    }

    async fn update(&self, scope: &Scope, image: &Image, mask: &Mask) -> Result<Image> {
        self.images.update(scope, image, mask).await
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<()> {
        self.images.delete(scope, name).await
    }

    /// The edges first, so that whatever is named is kept whole. A name that moves leaves no dangling image.
    async fn record(&self, scope: &Scope, record: Record) -> Result<Option<Image>> {
        for (digest, labels) in &record.content_labels {
            self.content.update(scope, digest, labels, &Mask::labels(labels.keys())).await?;
        }
        let image = Image::new(record.name, record.target);
        let before = self.images.get(scope, &image.name).await.found()?;
        let target = Mask::parse(&["target"], &["target"])?;
        match before {
            Some(_) => self.images.update(scope, &image, &target).await?,
            None => self.images.create(scope, &image).await?,
        };
        Ok(before)
    }

    /// Looks and then removes: who begins to use the image between the two is not seen. With `force` nothing keeps the
    /// image but who uses it.
    async fn remove(&self, scope: &Scope, removal: Removal) -> Result<Removed> {
        let image = self.images.get(scope, &removal.name).await?;
        let left = self.others(scope, &image).await?;
        if left.is_empty() && !removal.force {
            let users = self.users(scope, &image).await?;
            if !users.is_empty() {
                return Err(in_use(&image.name, &users));
            }
        }
        self.images.delete(scope, &image.name).await?;
        Ok(Removed { image, left })
    }
}
