//! A resolver, served.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use varve_core::remotes::Resolver;
use varve_core::{Descriptor, Result};
use varve_proto::varve::resolver::v1::resolver_server::{Resolver as Wire, ResolverServer};
use varve_proto::varve::resolver::v1::{
    DocumentRequest, DocumentResponse, ResolveRequest, ResolveResponse, SelectRequest,
    SelectResponse, TagsRequest, TagsResponse,
};

use crate::channel::MAX_MESSAGE;
use crate::status::to_status;
use crate::{convert, remote, scope};

/// The wire over any resolver.
pub fn server(resolver: Arc<dyn Resolver>) -> ResolverServer<impl Wire> {
    ResolverServer::new(Server(resolver)).max_decoding_message_size(MAX_MESSAGE)
}

struct Server(Arc<dyn Resolver>);

#[tonic::async_trait]
impl Wire for Server {
    async fn resolve(
        &self,
        request: Request<ResolveRequest>,
    ) -> Result<Response<ResolveResponse>, Status> {
        let remote = remote::from_remote(request.into_inner().remote).map_err(to_status)?;
        let target = self.0.resolve(&remote).await.map_err(to_status)?;
        Ok(Response::new(ResolveResponse { target: Some(convert::descriptor(&target)) }))
    }

    async fn select(
        &self,
        request: Request<SelectRequest>,
    ) -> Result<Response<SelectResponse>, Status> {
        let scope = scope::of(&request)?;
        let SelectRequest { target, platform } = request.into_inner();
        let target = convert::from_descriptor(target).map_err(to_status)?;
        let platform = remote::from_platform(platform.unwrap_or_default());
        let manifest = self.0.select(&scope, &target, &platform).await.map_err(to_status)?;
        Ok(Response::new(selected(&manifest)))
    }

    async fn document(
        &self,
        request: Request<DocumentRequest>,
    ) -> Result<Response<DocumentResponse>, Status> {
        let DocumentRequest { remote, document } = request.into_inner();
        let remote = remote::from_remote(remote).map_err(to_status)?;
        let document = convert::from_descriptor(document).map_err(to_status)?;
        let content = self.0.document(&remote, &document).await.map_err(to_status)?;
        Ok(Response::new(DocumentResponse { content }))
    }

    async fn tags(&self, request: Request<TagsRequest>) -> Result<Response<TagsResponse>, Status> {
        let remote = remote::from_remote(request.into_inner().remote).map_err(to_status)?;
        let tags = self.0.tags(&remote).await.map_err(to_status)?;
        Ok(Response::new(TagsResponse { tags }))
    }
}

fn selected(manifest: &Descriptor) -> SelectResponse {
    SelectResponse {
        manifest: Some(convert::descriptor(manifest)),
        platform: manifest.platform.as_ref().map(remote::platform),
    }
}
