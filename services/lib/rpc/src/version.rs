//! containerd.services.version.v1: what a process was built from.

use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use varve_proto::containerd::services::version::v1::VersionResponse;
use varve_proto::containerd::services::version::v1::version_client::VersionClient;
use varve_proto::containerd::services::version::v1::version_server::{
    Version as Wire, VersionServer,
};

use crate::status::from_status;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.version.v1.Version";

/// Answers these; the revision may be empty.
pub fn server(version: &str, revision: &str) -> VersionServer<impl Wire> {
    let (version, revision) = (version.to_owned(), revision.to_owned());
    VersionServer::new(Server(VersionResponse { version, revision }))
}

/// What a process elsewhere was built from.
pub async fn ask(channel: &Channel) -> varve_core::Result<String> {
    let answer = VersionClient::new(channel.clone()).version(()).await.map_err(from_status)?;
    Ok(answer.into_inner().version)
}

struct Server(VersionResponse);

#[tonic::async_trait]
impl Wire for Server {
    async fn version(&self, _: Request<()>) -> Result<Response<VersionResponse>, Status> {
        Ok(Response::new(self.0.clone()))
    }
}
