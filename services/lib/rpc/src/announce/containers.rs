//! Containers that tell.

use async_trait::async_trait;
use varve_core::containers::{Container, Containers};
use varve_core::{Mask, Result, Scope};
use varve_proto::containerd::events::container_create::Runtime;
use varve_proto::containerd::events::{ContainerCreate, ContainerDelete, ContainerUpdate};

use super::Announcing;
use crate::containers::convert::any;
use crate::convert::labels;

#[async_trait]
impl Containers for Announcing<dyn Containers> {
    async fn get(&self, scope: &Scope, id: &str) -> Result<Container> {
        self.inner.get(scope, id).await
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Container>> {
        self.inner.list(scope, filters).await
    }

    async fn create(&self, scope: &Scope, container: &Container) -> Result<Container> {
        let new = self.inner.create(scope, container).await?;
        let options = new.runtime.options.clone().map(any);
        let runtime = Some(Runtime { name: new.runtime.name.clone(), options });
        let (id, image) = (new.id.clone(), new.image.clone());
        self.tell(&scope.namespace, &ContainerCreate { id, image, runtime });
        Ok(new)
    }

    async fn update(&self, scope: &Scope, container: &Container, mask: &Mask) -> Result<Container> {
        let now = self.inner.update(scope, container, mask).await?;
        let fact = ContainerUpdate {
            id: now.id.clone(),
            image: now.image.clone(),
            labels: labels(&now.labels),
            snapshot_key: now.snapshot_key.clone(),
        };
        self.tell(&scope.namespace, &fact);
        Ok(now)
    }

    async fn delete(&self, scope: &Scope, id: &str) -> Result<()> {
        self.inner.delete(scope, id).await?;
        self.tell(&scope.namespace, &ContainerDelete { id: id.to_owned() });
        Ok(())
    }
}
