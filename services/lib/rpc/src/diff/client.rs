//! A differ elsewhere.

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::diff::Diff;
use varve_core::{Descriptor, Mount, Result, Scope};
use varve_proto::containerd::services::diff::v1::ApplyRequest;
use varve_proto::containerd::services::diff::v1::diff_client::DiffClient;

use crate::status::from_status;
use crate::{convert, scope};

/// The trait over a channel.
#[derive(Clone, Debug)]
pub struct Client(DiffClient<Channel>);

impl Client {
    pub fn new(channel: Channel) -> Self {
        Self(DiffClient::new(channel))
    }
}

#[async_trait]
impl Diff for Client {
    async fn apply(
        &self,
        scope: &Scope,
        blob: &Descriptor,
        mounts: &[Mount],
    ) -> Result<Descriptor> {
        let request = ApplyRequest {
            diff: Some(convert::descriptor(blob)),
            mounts: mounts.iter().cloned().map(convert::mount).collect(),
            ..ApplyRequest::default()
        };
        let request = scope::request(scope, request);
        let answer = self.0.clone().apply(request).await.map_err(from_status)?;
        convert::from_descriptor(answer.into_inner().applied)
    }
}
