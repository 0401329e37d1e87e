//! Namespaces: they come to be with the first thing in them, and go only when they are empty.

use super::Services;
use super::kit::{blob, labels, mask, open, refused, room, some};
use crate::containers::Container;
use crate::error::Kind;
use crate::images::Image;
use crate::labels::Labels;
use crate::mask::Mask;
use crate::oci::{Descriptor, MediaType};
use crate::scope::Scope;

/// The promises of [`crate::namespaces::Namespaces`].
#[macro_export]
macro_rules! namespaces_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            namespaces_contract,
            namespaces,
            $fresh,
            [
                a_namespace_that_nobody_made_has_no_labels,
                a_namespace_is_told_as_it_was_made,
                a_namespace_is_made_once,
                what_is_written_in_makes_its_namespace,
                an_update_replaces_what_its_mask_names,
                a_namespace_that_is_not_cannot_be_deleted,
                an_update_makes_one_that_is_not,
                a_namespace_goes_only_when_it_is_empty,
                a_namespace_can_be_made_again,
            ]
        );
    };
}

/// The labels of a namespace, where it is listed.
async fn listed(s: &Services, scope: &Scope) -> Option<Labels> {
    let all = s.namespaces.list().await.unwrap();
    assert!(all.is_sorted_by(|a, b| a.0 < b.0), "not in order: {all:?}");
    all.into_iter().find(|(name, _)| *name == scope.namespace).map(|(_, labels)| labels)
}

pub async fn a_namespace_that_nobody_made_has_no_labels(s: &Services) {
    let scope = room();
    assert!(s.namespaces.get(&scope.namespace).await.unwrap().is_empty());
    assert_eq!(listed(s, &scope).await, None);
}

pub async fn a_namespace_is_told_as_it_was_made(s: &Services) {
    let (one, two) = (room(), room());
    let wanted = labels(&[("containerd.io/defaults/snapshotter", "native")]);
    s.namespaces.create(&two.namespace, &wanted).await.unwrap();
    s.namespaces.create(&one.namespace, &labels(&[])).await.unwrap();
    assert_eq!(s.namespaces.get(&two.namespace).await.unwrap(), wanted);
    assert_eq!(listed(s, &two).await, Some(wanted));
    assert_eq!(listed(s, &one).await, Some(labels(&[])));
}

pub async fn a_namespace_is_made_once(s: &Services) {
    let name = room().namespace;
    s.namespaces.create(&name, &labels(&[("k", "1")])).await.unwrap();
    refused(s.namespaces.create(&name, &labels(&[])).await, Kind::AlreadyExists);
    assert_eq!(s.namespaces.get(&name).await.unwrap(), labels(&[("k", "1")]));
}

pub async fn what_is_written_in_makes_its_namespace(s: &Services) {
    let rooms = [room(), room(), room(), room(), room()];
    for (kind, scope) in rooms.iter().enumerate() {
        fill(s, scope, kind).await;
        assert_eq!(listed(s, scope).await, Some(labels(&[])), "{}", KINDS[kind]);
    }
}

const KINDS: [&str; 5] = ["blob", "ingest", "image", "lease", "container"];

/// Puts one thing of a kind in.
async fn fill(s: &Services, scope: &Scope, kind: usize) {
    match KINDS[kind] {
        "blob" => drop(some(&*s.content, scope, labels(&[])).await),
        "ingest" => drop(open(&*s.content, scope, "thing").await.unwrap()),
        "image" => drop(s.images.create(scope, &image()).await.unwrap()),
        "lease" => drop(s.leases.create(scope, "thing", &labels(&[])).await.unwrap()),
        _ => drop(s.containers.create(scope, &container()).await.unwrap()),
    }
}

/// Takes it out again.
async fn clear(s: &Services, scope: &Scope, kind: usize) {
    match KINDS[kind] {
        "blob" => {
            let digest = s.content.list(scope, &[]).await.unwrap()[0].digest;
            s.content.delete(scope, &digest).await
        }
        "ingest" => s.content.abort(scope, "thing").await,
        "image" => s.images.delete(scope, "thing").await,
        "lease" => s.leases.delete(scope, "thing").await,
        _ => s.containers.delete(scope, "thing").await,
    }
    .unwrap();
}

fn image() -> Image {
    Image::new("thing", Descriptor::new(MediaType::OciManifest, blob(1).1, 1))
}

fn container() -> Container {
    super::containers::plain("thing")
}

pub async fn an_update_replaces_what_its_mask_names(s: &Services) {
    let name = room().namespace;
    s.namespaces.create(&name, &labels(&[("a", "1"), ("b", "2")])).await.unwrap();
    for (mask, new, wanted) in [
        (mask(&["labels.a"]), vec![("a", "9"), ("z", "0")], vec![("a", "9"), ("b", "2")]),
        (mask(&["labels.b"]), vec![], vec![("a", "9")]),
        (Mask::all(), vec![("c", "3")], vec![("c", "3")]),
    ] {
        let told = s.namespaces.update(&name, &labels(&new), &mask).await.unwrap();
        assert_eq!(told, labels(&wanted), "{mask:?}");
        assert_eq!(s.namespaces.get(&name).await.unwrap(), told);
    }
    // One that came to be by being written in is as good.
    let scope = room();
    some(&*s.content, &scope, labels(&[])).await;
    let new = labels(&[("k", "v")]);
    s.namespaces.update(&scope.namespace, &new, &Mask::all()).await.unwrap();
    assert_eq!(listed(s, &scope).await, Some(new));
}

/// As anything does that is written in it; so a client says what holds for those that it is about to use.
pub async fn an_update_makes_one_that_is_not(s: &Services) {
    let (scope, new) = (room(), labels(&[("k", "v")]));
    s.namespaces.update(&scope.namespace, &new, &mask(&["labels.k"])).await.unwrap();
    assert_eq!(listed(s, &scope).await, Some(new));
    s.namespaces.delete(&scope.namespace).await.unwrap();
}

pub async fn a_namespace_that_is_not_cannot_be_deleted(s: &Services) {
    let name = room().namespace;
    refused(s.namespaces.delete(&name).await, Kind::NotFound);
}

pub async fn a_namespace_goes_only_when_it_is_empty(s: &Services) {
    for (kind, noun) in KINDS.iter().enumerate() {
        let scope = room();
        s.namespaces.create(&scope.namespace, &labels(&[("k", "v")])).await.unwrap();
        fill(s, &scope, kind).await;
        let error = s.namespaces.delete(&scope.namespace).await.unwrap_err();
        assert_eq!(error.kind(), Kind::FailedPrecondition, "{noun}: {}", error.chain());
        clear(s, &scope, kind).await;
        s.namespaces.delete(&scope.namespace).await.unwrap();
        assert_eq!(listed(s, &scope).await, None);
    }
}

pub async fn a_namespace_can_be_made_again(s: &Services) {
    let name = room().namespace;
    s.namespaces.create(&name, &labels(&[("k", "1")])).await.unwrap();
    s.namespaces.delete(&name).await.unwrap();
    assert!(s.namespaces.get(&name).await.unwrap().is_empty());
    refused(s.namespaces.delete(&name).await, Kind::NotFound);
    s.namespaces.create(&name, &labels(&[])).await.unwrap();
}
