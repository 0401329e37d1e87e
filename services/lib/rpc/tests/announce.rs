//! What changes is told, with containerd's facts of it.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::sync::Arc;

use prost::Message;
use tokio::sync::broadcast::Receiver;
use tonic::service::Routes;
use varve_core::containers::{Any, Container, Runtime};
use varve_core::images::{Image, Record, Removal};
use varve_core::testsuite::memory;
use varve_core::{Descriptor, Digest, Kind, Labels, Mask, MediaType, Scope};
use varve_proto::containerd::events as wire;
use varve_proto::containerd::services::images::v1 as images;
use varve_rpc::events::{Announcer, Bus, Client, Event};
use varve_rpc::served::Store;
use varve_rpc::{Shutdown, announce, events};

fn told() -> (Store, Receiver<Event>) {
    let bus = Bus::new();
    let store = announce::store(Arc::new(memory::Store::new()), &Announcer::here(&bus));
    (store, bus.listen())
}

/// The next event, which must have been told by now, as `M` under `topic`.
fn next<M: Message + Default>(told: &mut Receiver<Event>, topic: &str) -> M {
    let event = told.try_recv().unwrap();
    assert_eq!((event.topic.as_str(), event.namespace.as_str()), (topic, "k8s.io"));
    M::decode(event.event.unwrap().value).unwrap()
}

fn labels() -> Labels {
    Labels::from([("k".into(), "v".into())])
}

fn scope() -> Scope {
    Scope::of("k8s.io".parse().unwrap())
}

#[tokio::test]
async fn an_image_is_told_of_by_whatever_way_it_changes() {
    let (store, mut told) = told();
    let scope = scope();
    let target = Descriptor::new(MediaType::OciManifest, Digest::of(b"x"), 1);
    let image = Image { labels: labels(), ..Image::new("i", target.clone()) };
    store.images.create(&scope, &image).await.unwrap();
    let created: images::ImageCreate = next(&mut told, "/images/create");
    assert_eq!((created.name.as_str(), &created.labels["k"]), ("i", &"v".to_owned()));
    store.images.update(&scope, &image, &Mask::all()).await.unwrap();
    assert_eq!(next::<images::ImageUpdate>(&mut told, "/images/update").labels["k"], "v");
    for (name, topic) in [("i", "/images/update"), ("j", "/images/create")] {
        let (name, target) = (name.to_owned(), target.clone());
        let record = Record { name: name.clone(), target, content_labels: Vec::new() };
        store.images.record(&scope, record).await.unwrap();
        // Both messages have their names at one number.
        assert_eq!(next::<images::ImageCreate>(&mut told, topic).name, name);
    }
    store.images.remove(&scope, Removal { name: "i".into(), force: false }).await.unwrap();
    store.images.delete(&scope, "j").await.unwrap();
    for name in ["i", "j"] {
        assert_eq!(next::<images::ImageDelete>(&mut told, "/images/delete").name, name);
    }
}

#[tokio::test]
async fn a_container_is_told_of_with_its_image_and_its_runtime() {
    let (store, mut told) = told();
    let options = Any { type_url: "t".into(), value: "o".into() };
    let runtime = Runtime { name: "runc".into(), options: Some(options) };
    let now = varve_core::time::now();
    let container = Container {
        id: "c".into(),
        labels: labels(),
        image: "i".into(),
        runtime,
        spec: None,
        snapshotter: "s".into(),
        snapshot_key: "key".into(),
        created_at: now,
        updated_at: now,
        extensions: Default::default(),
    };
    store.containers.create(&scope(), &container).await.unwrap();
    let created: wire::ContainerCreate = next(&mut told, "/containers/create");
    let runtime = created.runtime.unwrap();
    assert_eq!((created.id.as_str(), created.image.as_str()), ("c", "i"));
    assert_eq!((runtime.name.as_str(), &runtime.options.unwrap().value[..]), ("runc", &b"o"[..]));
    store.containers.update(&scope(), &container, &Mask::all()).await.unwrap();
    let updated: wire::ContainerUpdate = next(&mut told, "/containers/update");
    assert_eq!((updated.snapshot_key.as_str(), &*updated.labels["k"]), ("key", "v"));
    store.containers.delete(&scope(), "c").await.unwrap();
    assert_eq!(next::<wire::ContainerDelete>(&mut told, "/containers/delete").id, "c");
}

#[tokio::test]
async fn a_namespace_is_told_of_in_itself() {
    let (store, mut told) = told();
    let namespace = scope().namespace;
    store.namespaces.create(&namespace, &labels()).await.unwrap();
    assert_eq!(next::<wire::NamespaceCreate>(&mut told, "/namespaces/create").labels["k"], "v");
    store.namespaces.update(&namespace, &Labels::new(), &Mask::all()).await.unwrap();
    assert!(next::<wire::NamespaceUpdate>(&mut told, "/namespaces/update").labels.is_empty());
    store.namespaces.delete(&namespace).await.unwrap();
    assert_eq!(next::<wire::NamespaceDelete>(&mut told, "/namespaces/delete").name, "k8s.io");
}

#[tokio::test]
async fn what_failed_is_not_told() {
    let (store, mut told) = told();
    let missing = store.images.delete(&scope(), "none").await.unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    store.content.delete(&scope(), &Digest::of(b"none")).await.unwrap_err();
    store.containers.delete(&scope(), "none").await.unwrap_err();
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn who_tells_another_process_waits_for_nobody_and_keeps_the_order() {
    let pipes = kit::Pipes::new();
    let to = Announcer::elsewhere(pipes.channel());
    let store = announce::store(Arc::new(memory::Store::new()), &to);
    let bus = Bus::new();
    let _serving = pipes.serve(Routes::new(events::server(bus, Shutdown::new())), None);
    let mut listening = Client::new(pipes.channel()).listen(&[]).await.unwrap();
    let namespace = scope().namespace;
    for _ in 0..3 {
        store.namespaces.create(&namespace, &labels()).await.unwrap();
        store.namespaces.delete(&namespace).await.unwrap();
    }
    for _ in 0..3 {
        for topic in ["/namespaces/create", "/namespaces/delete"] {
            let event = listening.next().await.unwrap().unwrap();
            assert_eq!((event.topic.as_str(), event.namespace.as_str()), (topic, "k8s.io"));
        }
    }
}
