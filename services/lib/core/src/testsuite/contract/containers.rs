//! Containers: records, and nothing that runs.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Services;
use super::kit::{between, filters, labels, mask, refused, room};
use crate::containers::{Any, Container, Runtime};
use crate::error::Kind;
use crate::labels::Labels;
use crate::mask::Mask;
use crate::time;

/// The promises of [`crate::containers::Containers`].
#[macro_export]
macro_rules! containers_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            containers_contract,
            containers,
            $fresh,
            [
                a_container_is_told_as_it_was_made,
                a_large_spec_comes_back_whole,
                an_id_is_taken_once,
                an_id_that_is_no_identifier_is_refused,
                an_update_replaces_what_its_mask_names,
                what_is_not_mutable_is_refused,
                containers_are_listed_and_filtered,
                a_deleted_container_is_gone,
                what_is_not_here_is_not_found,
            ]
        );
    };
}

/// A container of which nothing is known but its id.
pub fn plain(id: &str) -> Container {
    let now = time::now();
    Container {
        id: id.to_owned(),
        labels: Labels::new(),
        image: String::new(),
        runtime: Runtime::default(),
        spec: None,
        snapshotter: String::new(),
        snapshot_key: String::new(),
        created_at: now,
        updated_at: now,
        extensions: BTreeMap::new(),
    }
}

fn any(value: &'static str) -> Any {
    Any { type_url: "type.example/spec".into(), value: Bytes::from_static(value.as_bytes()) }
}

/// One with something in every field, told apart by `mark`.
fn full(id: &str, mark: &'static str) -> Container {
    Container {
        labels: labels(&[("mark", mark)]),
        image: format!("image-{mark}"),
        runtime: Runtime { name: "io.containerd.runc.v2".into(), options: Some(any(mark)) },
        spec: Some(any(mark)),
        snapshotter: "overlayfs".into(),
        snapshot_key: format!("key-{mark}"),
        extensions: BTreeMap::from([("ext".to_owned(), any(mark))]),
        ..plain(id)
    }
}

pub async fn a_container_is_told_as_it_was_made(s: &Services) {
    let scope = room();
    for wanted in [plain("plain"), full("full", "a")] {
        let before = time::now();
        let told = s.containers.create(&scope, &wanted).await.unwrap();
        between(told.created_at, (before, time::now()));
        assert_eq!(told.created_at, told.updated_at);
        let times = (told.created_at, told.updated_at);
        let wanted = Container { created_at: times.0, updated_at: times.1, ..wanted };
        assert_eq!(told, wanted);
        assert_eq!(s.containers.get(&scope, &told.id).await.unwrap(), told);
    }
}

pub async fn a_large_spec_comes_back_whole(s: &Services) {
    let scope = room();
    let value = super::kit::blob(300_000).0;
    let spec = Some(Any { type_url: "t".into(), value });
    let told = s.containers.create(&scope, &Container { spec, ..plain("c") }).await.unwrap();
    assert!(s.containers.get(&scope, "c").await.unwrap() == told);
    assert_eq!(told.spec.unwrap().value.len(), 300_000);
}

pub async fn an_id_is_taken_once(s: &Services) {
    let scope = room();
    let first = s.containers.create(&scope, &full("c", "a")).await.unwrap();
    refused(s.containers.create(&scope, &full("c", "b")).await, Kind::AlreadyExists);
    assert_eq!(s.containers.get(&scope, "c").await.unwrap(), first);
    s.containers.create(&room(), &full("c", "b")).await.unwrap();
}

pub async fn an_id_that_is_no_identifier_is_refused(s: &Services) {
    let scope = room();
    for bad in ["", "../x", "a/b", "-a", "a b"] {
        refused(s.containers.create(&scope, &plain(bad)).await, Kind::InvalidArgument);
    }
}

pub async fn an_update_replaces_what_its_mask_names(s: &Services) {
    let scope = room();
    let (a, b) = (full("c", "a"), full("c", "b"));
    let created = s.containers.create(&scope, &a).await.unwrap();
    let (base, new) = (created.clone(), b.clone());
    for (path, wanted) in [
        ("labels", Container { labels: new.labels, ..base.clone() }),
        ("labels.mark", Container { labels: b.labels.clone(), ..base.clone() }),
        ("spec", Container { spec: new.spec, ..base.clone() }),
        ("image", Container { image: new.image, ..base.clone() }),
        ("snapshotkey", Container { snapshot_key: new.snapshot_key, ..base.clone() }),
        ("extensions", Container { extensions: new.extensions, ..base.clone() }),
    ] {
        let before = time::now();
        let told = s.containers.update(&scope, &b, &mask(&[path])).await.unwrap();
        between(told.updated_at, (before, time::now()));
        assert_eq!(told, Container { updated_at: told.updated_at, ..wanted }, "{path}");
        assert_eq!(s.containers.get(&scope, "c").await.unwrap(), told);
        s.containers.update(&scope, &a, &mask(&[path])).await.unwrap();
    }
    let told = s.containers.update(&scope, &b, &Mask::all()).await.unwrap();
    assert_eq!((told.labels, told.image, told.spec), (b.labels, b.image, b.spec));
    assert_eq!((told.snapshot_key, told.extensions), (b.snapshot_key, b.extensions));
    assert_eq!(told.created_at, created.created_at);
}

pub async fn what_is_not_mutable_is_refused(s: &Services) {
    let scope = room();
    let told = s.containers.create(&scope, &full("c", "a")).await.unwrap();
    for path in ["runtime", "snapshotter", "id"] {
        let update = s.containers.update(&scope, &full("c", "b"), &mask(&[path])).await;
        refused(update, Kind::InvalidArgument);
    }
    assert_eq!(s.containers.get(&scope, "c").await.unwrap(), told);
}

pub async fn containers_are_listed_and_filtered(s: &Services) {
    let scope = room();
    for one in [full("b", "x"), full("a", "y"), plain("c")] {
        s.containers.create(&scope, &one).await.unwrap();
    }
    for (texts, wanted) in [
        (vec![], vec!["a", "b", "c"]),
        (vec!["id==b"], vec!["b"]),
        (vec!["image==image-y"], vec!["a"]),
        (vec!["runtime.name==io.containerd.runc.v2"], vec!["a", "b"]),
        (vec!["labels.mark==x", "id==c"], vec!["b", "c"]),
    ] {
        let all = s.containers.list(&scope, &filters(&texts)).await.unwrap();
        let ids: Vec<_> = all.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, wanted, "{texts:?}");
    }
    refused(s.containers.list(&scope, &filters(&["id==\"x"])).await, Kind::InvalidArgument);
}

pub async fn a_deleted_container_is_gone(s: &Services) {
    let scope = room();
    s.containers.create(&scope, &full("c", "a")).await.unwrap();
    s.containers.delete(&scope, "c").await.unwrap();
    refused(s.containers.get(&scope, "c").await, Kind::NotFound);
    refused(s.containers.delete(&scope, "c").await, Kind::NotFound);
    let told = s.containers.create(&scope, &plain("c")).await.unwrap();
    assert_eq!((told.labels, told.spec), (labels(&[]), None));
}

pub async fn what_is_not_here_is_not_found(s: &Services) {
    let scope = room();
    refused(s.containers.get(&scope, "none").await, Kind::NotFound);
    refused(s.containers.delete(&scope, "none").await, Kind::NotFound);
    refused(s.containers.update(&scope, &plain("none"), &Mask::all()).await, Kind::NotFound);
}
