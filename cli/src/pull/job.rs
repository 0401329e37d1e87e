//! What every layer of a pull works with.

use std::sync::Arc;

use varve_core::Scope;
use varve_core::content::Content;
use varve_core::remotes::{Fetcher, Remote};

use super::Wish;
use crate::progress::Progress;
use crate::services::{Services, Snapshotter};

/// Shared by the tasks of the layers.
pub struct Job {
    pub content: Arc<dyn Content>,
    pub fetcher: Arc<dyn Fetcher>,
    pub snapshotter: Option<Snapshotter>,
    /// Under the pull's lease.
    pub scope: Scope,
    pub remote: Remote,
    pub progress: Arc<dyn Progress>,
}

impl Job {
    pub fn new(
        services: &Services,
        scope: &Scope,
        wish: &Wish,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self {
            content: services.content.clone(),
            fetcher: services.fetcher.clone(),
            snapshotter: wish.snapshotter.clone(),
            scope: scope.clone(),
            remote: wish.remote.clone(),
            progress,
        }
    }
}
