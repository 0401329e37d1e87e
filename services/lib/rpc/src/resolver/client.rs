//! A resolver elsewhere.

use async_trait::async_trait;
use bytes::Bytes;
use tonic::transport::Channel;
use varve_core::remotes::{Remote, Resolver};
use varve_core::{Descriptor, Platform, Result, Scope};
use varve_proto::varve::resolver::v1::resolver_client::ResolverClient;
use varve_proto::varve::resolver::v1::{
    DocumentRequest, ResolveRequest, SelectRequest, TagsRequest,
};

use crate::channel::MAX_MESSAGE;
use crate::status::from_status;
use crate::{convert, remote, scope};

/// The trait over a channel.
#[derive(Clone, Debug)]
pub struct Client(ResolverClient<Channel>);

impl Client {
    pub fn new(channel: Channel) -> Self {
        Self(ResolverClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
    }
}

#[async_trait]
impl Resolver for Client {
    async fn resolve(&self, to: &Remote) -> Result<Descriptor> {
        let request = ResolveRequest { remote: Some(remote::remote(to)) };
        let answer = self.0.clone().resolve(request).await.map_err(from_status)?;
        convert::from_descriptor(answer.into_inner().target)
    }

    async fn select(
        &self,
        scope: &Scope,
        target: &Descriptor,
        platform: &Platform,
    ) -> Result<Descriptor> {
        let request = SelectRequest {
            target: Some(convert::descriptor(target)),
            platform: Some(remote::platform(platform)),
        };
        let request = scope::request(scope, request);
        let answer = self.0.clone().select(request).await.map_err(from_status)?.into_inner();
        let platform = answer.platform.map(remote::from_platform);
        Ok(Descriptor { platform, ..convert::from_descriptor(answer.manifest)? })
    }

    async fn document(&self, from: &Remote, document: &Descriptor) -> Result<Bytes> {
        let request = DocumentRequest {
            remote: Some(remote::remote(from)),
            document: Some(convert::descriptor(document)),
        };
        let answer = self.0.clone().document(request).await.map_err(from_status)?;
        Ok(answer.into_inner().content)
    }

    async fn tags(&self, to: &Remote) -> Result<Vec<String>> {
        let request = TagsRequest { remote: Some(remote::remote(to)) };
        let answer = self.0.clone().tags(request).await.map_err(from_status)?;
        Ok(answer.into_inner().tags)
    }
}
