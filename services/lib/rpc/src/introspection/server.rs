//! What a process is and serves, told.

use std::os::unix::fs::MetadataExt;

use tonic::{Request, Response, Status};
use varve_core::{Error, Filter};
use varve_proto::containerd::services::introspection::v1 as wire;
use varve_proto::containerd::services::introspection::v1::introspection_server::{
    Introspection as Wire, IntrospectionServer,
};

use super::plugin::{Plugin, wire as plugin};
use crate::status::to_status;

/// Answers these parts; `uuid` is the installation's, the same after a restart.
pub fn server(plugins: Vec<Plugin>, uuid: &str) -> IntrospectionServer<impl Wire> {
    IntrospectionServer::new(Server { plugins, uuid: uuid.to_owned() })
}

struct Server {
    plugins: Vec<Plugin>,
    uuid: String,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Wire for Server {
    async fn plugins(
        &self,
        request: Request<wire::PluginsRequest>,
    ) -> Answer<wire::PluginsResponse> {
        let filter = Filter::parse(&request.into_inner().filters).map_err(to_status)?;
        let matching = self.plugins.iter().filter(|plugin| filter.matches(*plugin));
        Ok(Response::new(wire::PluginsResponse { plugins: matching.map(plugin).collect() }))
    }

    async fn server(&self, _: Request<()>) -> Answer<wire::ServerResponse> {
        let namespace = std::fs::metadata("/proc/self/ns/pid");
        Ok(Response::new(wire::ServerResponse {
            uuid: self.uuid.clone(),
            pid: u64::from(std::process::id()),
            // 0 where the kernel does not tell.
            pidns: namespace.map_or(0, |facts| facts.ino()),
            deprecations: Vec::new(),
        }))
    }

    async fn plugin_info(
        &self,
        request: Request<wire::PluginInfoRequest>,
    ) -> Answer<wire::PluginInfoResponse> {
        let wire::PluginInfoRequest { r#type, id, .. } = request.into_inner();
        let found = self.plugins.iter().find(|plugin| plugin.kind == r#type && plugin.id == id);
        let missing =
            || to_status(Error::not_found(format!("plugin {type}.{id}", r#type = r#type)));
        let plugin = Some(plugin(found.ok_or_else(missing)?));
        Ok(Response::new(wire::PluginInfoResponse { plugin, extra: None }))
    }
}
