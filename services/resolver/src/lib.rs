//! The resolver: a name to a descriptor, and an index to the manifest for a platform.
//!
//! It owns the question "what is this?" and keeps nothing: no state, no files. It leaves the talking
//! to lib/registry and the bytes to the content store, out of which alone it reads indexes.

mod config;
mod document;
mod resolve;
mod select;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use varve_core::content::Content;
use varve_core::remotes::{Remote, Resolver};
use varve_core::{Descriptor, Platform, Result, Scope};
use varve_registry::Client;

pub use config::Config;

/// What it works with.
pub struct Dependencies {
    /// Where indexes are read.
    pub content: Arc<dyn Content>,
    /// Shared with the fetcher, so that one token serves both.
    pub registry: Client,
}

/// Ready at once: nothing is dialed before the first request.
pub fn open(config: Config, dependencies: Dependencies) -> impl Resolver + use<> {
    Service { config, dependencies }
}

struct Service {
    config: Config,
    dependencies: Dependencies,
}

#[async_trait]
impl Resolver for Service {
    async fn resolve(&self, remote: &Remote) -> Result<Descriptor> {
        resolve::resolve(&self.config.images, &self.dependencies.registry, remote).await
    }

    async fn select(
        &self,
        scope: &Scope,
        target: &Descriptor,
        platform: &Platform,
    ) -> Result<Descriptor> {
        select::select(&self.config.images, &*self.dependencies.content, scope, target, platform)
            .await
    }

    async fn document(&self, remote: &Remote, document: &Descriptor) -> Result<Bytes> {
        document::document(&self.config.images, &self.dependencies.registry, remote, document).await
    }

    async fn tags(&self, remote: &Remote) -> Result<Vec<String>> {
        let repository = self.dependencies.registry.open(remote)?;
        repository.tags(&mut repository.budget()).await
    }
}
