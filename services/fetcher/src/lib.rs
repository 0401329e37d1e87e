//! The fetcher: one blob, from its registry into the content store.
//!
//! It owns the way of a blob: is it here? is a part of it here? stream, check the length as it
//! comes, commit with digest and size; try again what can be survived; once however many ask. It
//! leaves the talking to lib/registry and the hashing, the bytes on disk and their refs to the
//! content store, which refuses what does not have its digest.

mod config;
mod download;
mod flight;
mod ingest;

use std::sync::Arc;

use async_trait::async_trait;
use varve_core::content::Content;
use varve_core::remotes::{Fetched, Fetcher, Progress, Remote};
use varve_core::{Descriptor, Result, Scope};
use varve_registry::Client;

pub use config::Config;

use download::Download;
use flight::Flights;

/// What it works with.
pub struct Dependencies {
    /// Where blobs go.
    pub content: Arc<dyn Content>,
    /// Shared with the resolver, so that one token serves both.
    pub registry: Client,
}

/// Ready at once: nothing is dialed before the first request.
pub fn open(config: Config, dependencies: Dependencies) -> impl Fetcher + use<> {
    Service { config, dependencies, flights: Flights::default() }
}

struct Service {
    config: Config,
    dependencies: Dependencies,
    flights: Flights,
}

#[async_trait]
impl Fetcher for Service {
    async fn fetch(
        &self,
        scope: &Scope,
        remote: &Remote,
        blob: &Descriptor,
        progress: Progress,
    ) -> Result<Fetched> {
        let repository = self.dependencies.registry.open(remote)?;
        let content = &*self.dependencies.content;
        if let Some(fetched) = ingest::known(content, scope, blob).await? {
            return Ok(fetched);
        }
        let (batch, patience) = (self.config.batch, self.dependencies.registry.config().patience);
        let flight = self.flights.board(blob.digest, &progress, patience).await?;
        let download = Download {
            content,
            repository,
            scope,
            remote,
            blob,
            flight,
            progress,
            batch,
            patience,
        };
        download.run().await
    }
}
