//! A differ elsewhere.

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::diff::{Diff, NewLayer};
use varve_core::{Descriptor, Mount, Result, Scope};
use varve_proto::containerd::services::diff::v1::diff_client::DiffClient;
use varve_proto::containerd::services::diff::v1::{ApplyRequest, DiffRequest};

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
            mounts: to_wire(mounts),
            ..ApplyRequest::default()
        };
        let request = scope::request(scope, request);
        let answer = self.0.clone().apply(request).await.map_err(from_status)?;
        convert::from_descriptor(answer.into_inner().applied)
    }

    async fn diff(
        &self,
        scope: &Scope,
        lower: &[Mount],
        upper: &[Mount],
        layer: NewLayer,
    ) -> Result<Descriptor> {
        let request = DiffRequest {
            left: to_wire(lower),
            right: to_wire(upper),
            media_type: layer.media_type.into(),
            r#ref: layer.ingest,
            labels: convert::labels(&layer.labels),
            source_date_epoch: layer.latest.map(convert::timestamp),
        };
        let request = scope::request(scope, request);
        let answer = self.0.clone().diff(request).await.map_err(from_status)?;
        convert::from_descriptor(answer.into_inner().diff)
    }
}

fn to_wire(mounts: &[Mount]) -> Vec<varve_proto::containerd::types::Mount> {
    mounts.iter().cloned().map(convert::mount).collect()
}
