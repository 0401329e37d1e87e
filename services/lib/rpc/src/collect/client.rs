//! The collector of a store elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Channel;
use varve_core::collect::{Attendee, Collected, Collector};
use varve_core::fsck::{Fsck, How, Report};
use varve_core::unpack::Progress;
use varve_core::{Digest, Kind, Result, Scope};
use varve_proto::varve::content::v1 as wire;
use varve_proto::varve::content::v1::content_store_client::ContentStoreClient;
use varve_proto::varve::content::v1::fsck_response::Event;

use super::attend::Attendance;
use super::convert::from_collected;
use crate::channel::MAX_MESSAGE;
use crate::progress::cut_off;
use crate::status::from_status;
use crate::{fsck, scope};

/// How long a store that is not there yet is waited for, when a snapshotter wants to attend.
const PATIENCE: Duration = Duration::from_secs(10);

/// The trait over a channel. Who attends through it does so until the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Client {
    store: ContentStoreClient<Channel>,
    attending: Arc<Mutex<HashMap<String, AbortOnDropHandle<()>>>>,
}

impl Client {
    pub fn new(channel: Channel) -> Self {
        let store = ContentStoreClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        Self { store, attending: Arc::default() }
    }

    async fn first(&self, name: &str) -> Result<Attendance> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Attendance::begin(self.store.clone(), name).await {
                Err(error) if error.kind() == Kind::Unavailable && Instant::now() < deadline => {
                    tracing::info!(name, error = %error.chain(), "waiting for the content store");
                    sleep(PATIENCE / 20).await;
                }
                begun => return begun,
            }
        }
    }
}

#[async_trait]
impl Collector for Client {
    async fn references(&self, scope: &Scope, digest: &Digest) -> Result<u64> {
        let request = wire::ReferencesRequest { digest: digest.to_string() };
        let answer = self.store.clone().references(scope::request(scope, request)).await;
        Ok(answer.map_err(from_status)?.into_inner().count)
    }

    async fn recount(&self) -> Result<Vec<String>> {
        let answer = self.store.clone().recount(wire::RecountRequest {}).await;
        Ok(answer.map_err(from_status)?.into_inner().lines)
    }

    async fn collect(&self, dry_run: bool) -> Result<Collected> {
        let request = wire::CollectRequest { dry_run, below: Vec::new() };
        let answer = self.store.clone().collect(request).await;
        from_collected(answer.map_err(from_status)?.into_inner())
    }

    async fn collect_below(&self, scope: &Scope, digests: &[Digest]) -> Result<Collected> {
        if digests.is_empty() {
            return Ok(Collected::default());
        }
        let below = digests.iter().map(Digest::to_string).collect();
        let request = wire::CollectRequest { dry_run: false, below };
        let answer = self.store.clone().collect(scope::request(scope, request)).await;
        from_collected(answer.map_err(from_status)?.into_inner())
    }

    /// Answers once the store knows; from then on in the background, and again whenever the store
    /// comes back.
    async fn attend(&self, name: &str, attendee: Arc<dyn Attendee>) -> Result<()> {
        let first = self.first(name).await?;
        let (store, key) = (self.store.clone(), name.to_owned());
        let name = key.clone();
        let task = tokio::spawn(async move { first.go_on(store, &name, attendee).await });
        let mut attending = self.attending.lock().unwrap_or_else(PoisonError::into_inner);
        attending.insert(key, AbortOnDropHandle::new(task));
        Ok(())
    }
}

#[async_trait]
impl Fsck for Client {
    async fn fsck(&self, how: How, progress: Progress) -> Result<Report> {
        let answers = self.store.clone().fsck(fsck::request(how)).await;
        let mut answers = answers.map_err(from_status)?.into_inner();
        while let Some(answer) = answers.message().await.map_err(from_status)? {
            match answer.event {
                Some(Event::At(bytes)) => progress.tell(bytes),
                Some(Event::Done(done)) => return fsck::from_report(done),
                None => {}
            }
        }
        Err(cut_off())
    }
}
