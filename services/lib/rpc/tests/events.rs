//! Events, version and introspection, as containerd's clients ask for them.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use tonic::Code;
use tonic::service::Routes;
use varve_core::Scope;
use varve_core::containers::Any;
use varve_proto::containerd::services::events::v1::SubscribeRequest;
use varve_proto::containerd::services::events::v1::events_client::EventsClient;
use varve_proto::containerd::services::introspection::v1::introspection_client::IntrospectionClient;
use varve_proto::containerd::services::introspection::v1::{PluginInfoRequest, PluginsRequest};
use varve_rpc::introspection::{self, Plugin};
use varve_rpc::{Shutdown, events};

#[tokio::test]
async fn who_listens_is_told_what_matches_until_the_server_stops() {
    let (pipes, shutdown) = (kit::Pipes::new(), Shutdown::new());
    let bus = events::Bus::new();
    let _serving = pipes.serve(Routes::new(events::server(bus, shutdown.clone())), None);
    let filters = vec!["topic~=|^/images/|,namespace==k8s.io".to_owned()];
    let mut listener = EventsClient::new(pipes.channel());
    let told = listener.subscribe(SubscribeRequest { filters }).await.unwrap();
    let mut told = told.into_inner();
    let client = events::Client::new(pipes.channel());
    let scope = Scope::of("k8s.io".parse().unwrap());
    let event = Any { type_url: "t".into(), value: "v".into() };
    for topic in ["/content/create", "/images/create"] {
        client.publish(&scope, topic, event.clone()).await.unwrap();
    }
    client.publish(&Scope::default(), "/images/create", event.clone()).await.unwrap();
    client.publish(&scope, "/images/delete", event.clone()).await.unwrap();
    for topic in ["/images/create", "/images/delete"] {
        let envelope = told.message().await.unwrap().unwrap();
        assert_eq!((envelope.topic.as_str(), envelope.namespace.as_str()), (topic, "k8s.io"));
        assert_eq!(envelope.event.unwrap().value, b"v");
    }
    let refused = client.publish(&scope, "images", event).await.unwrap_err();
    assert_eq!(refused.kind(), varve_core::Kind::InvalidArgument);
    shutdown.start();
    assert!(told.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_process_tells_what_it_serves() {
    let pipes = kit::Pipes::new();
    let plugins = vec![Plugin::content(), Plugin::snapshotter("overlayfs")];
    let _serving = pipes.serve(Routes::new(introspection::server(plugins, "u")), None);
    let mut client = IntrospectionClient::new(pipes.channel());
    let filters = vec!["type==io.containerd.snapshotter.v1".to_owned()];
    let found = client.plugins(PluginsRequest { filters }).await.unwrap().into_inner().plugins;
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["overlayfs"]);
    let server = client.server(()).await.unwrap().into_inner();
    assert_eq!((server.uuid.as_str(), server.pid), ("u", u64::from(std::process::id())));
    let missing = client.plugin_info(PluginInfoRequest::default()).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}
