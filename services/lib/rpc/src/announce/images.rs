//! Images that tell.

use async_trait::async_trait;
use varve_core::images::{Image, Images, Record, Removal, Removed};
use varve_core::{Labels, Mask, Result, Scope};
use varve_proto::containerd::services::images::v1::{ImageCreate, ImageDelete, ImageUpdate};

use super::Announcing;
use crate::convert::labels;

#[async_trait]
impl Images for Announcing<dyn Images> {
    async fn get(&self, scope: &Scope, name: &str) -> Result<Image> {
        self.inner.get(scope, name).await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Image>> {
        self.inner.list(scope, filters).await
    }

    async fn create(&self, scope: &Scope, image: &Image) -> Result<Image> {
        let image = self.inner.create(scope, image).await?;
        self.tell(&scope.namespace, &created(&image.name, &image.labels));
        Ok(image)
    }

    async fn update(&self, scope: &Scope, image: &Image, mask: &Mask) -> Result<Image> {
        let image = self.inner.update(scope, image, mask).await?;
        self.tell(&scope.namespace, &updated(&image.name, &image.labels));
        Ok(image)
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<()> {
        self.inner.delete(scope, name).await?;
        self.tell(&scope.namespace, &ImageDelete { name: name.to_owned() });
        Ok(())
    }

    async fn record(&self, scope: &Scope, record: Record) -> Result<Option<Image>> {
        let name = record.name.clone();
        let before = self.inner.record(scope, record).await?;
        match &before {
            // A name's labels outlive its target.
            Some(before) => self.tell(&scope.namespace, &updated(&name, &before.labels)),
            None => self.tell(&scope.namespace, &created(&name, &Labels::new())),
        }
        Ok(before)
    }

    async fn remove(&self, scope: &Scope, removal: Removal) -> Result<Removed> {
        let removed = self.inner.remove(scope, removal).await?;
        self.tell(&scope.namespace, &ImageDelete { name: removed.image.name.clone() });
        Ok(removed)
    }
}

fn created(name: &str, all: &Labels) -> ImageCreate {
    ImageCreate { name: name.to_owned(), labels: labels(all) }
}

fn updated(name: &str, all: &Labels) -> ImageUpdate {
    ImageUpdate { name: name.to_owned(), labels: labels(all) }
}
