//! Namespaces that tell, each in itself.

use async_trait::async_trait;
use varve_core::namespaces::Namespaces;
use varve_core::{Labels, Mask, Namespace, Result};
use varve_proto::containerd::events::{NamespaceCreate, NamespaceDelete, NamespaceUpdate};

use super::Announcing;
use crate::convert::labels as wire;

#[async_trait]
impl Namespaces for Announcing<dyn Namespaces> {
    async fn get(&self, namespace: &Namespace) -> Result<Labels> {
        self.inner.get(namespace).await
    }

    async fn list(&self) -> Result<Vec<(Namespace, Labels)>> {
        self.inner.list().await
    }

    async fn create(&self, namespace: &Namespace, labels: &Labels) -> Result<()> {
        self.inner.create(namespace, labels).await?;
        let (name, labels) = (namespace.to_string(), wire(labels));
        self.tell(namespace, &NamespaceCreate { name, labels });
        Ok(())
    }

    async fn update(&self, namespace: &Namespace, labels: &Labels, mask: &Mask) -> Result<Labels> {
        let now = self.inner.update(namespace, labels, mask).await?;
        let (name, labels) = (namespace.to_string(), wire(&now));
        self.tell(namespace, &NamespaceUpdate { name, labels });
        Ok(now)
    }

    async fn delete(&self, namespace: &Namespace) -> Result<()> {
        self.inner.delete(namespace).await?;
        self.tell(namespace, &NamespaceDelete { name: namespace.to_string() });
        Ok(())
    }
}
