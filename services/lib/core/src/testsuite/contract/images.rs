//! Images: names that point to content, and what becomes of an image whose name has moved.

use super::Services;
use super::containers::plain;
use super::kit::{between, blob, filters, labels, mask, refused, room, some};
use crate::containers::Container;
use crate::digest::Digest;
use crate::error::Kind;
use crate::images::{Image, Record, Removal, dangling};
use crate::labels::{DANGLING, IMAGE, MOUNT_TARGET};
use crate::leases::Resource;
use crate::mask::Mask;
use crate::oci::{Descriptor, MediaType};
use crate::scope::Scope;
use crate::time;

/// The promises of [`crate::images::Images`].
#[macro_export]
macro_rules! images_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            images_contract,
            images,
            $fresh,
            [
                an_image_is_told_as_it_was_made,
                a_name_is_taken_once,
                an_image_needs_a_name,
                an_update_replaces_what_its_mask_names,
                an_update_leaves_nothing_dangling,
                a_label_too_long_is_refused,
                images_are_listed_and_filtered,
                a_deleted_image_is_gone,
                what_is_not_here_is_not_found,
                a_name_is_each_namespaces_own,
                a_record_points_the_name_and_merges_the_labels,
                a_record_of_a_blob_that_is_not_here_changes_nothing,
                a_record_twice_is_a_record_once,
                a_moved_name_leaves_its_image_dangling,
                an_image_with_another_name_does_not_dangle,
                an_image_that_is_named_again_dangles_no_more,
                a_name_that_nobody_uses_is_removed,
                an_image_that_a_container_is_of_keeps_its_last_name,
                a_mounted_image_keeps_its_last_name,
                force_takes_the_name_and_leaves_the_image,
                a_container_is_of_the_image_that_its_label_names,
            ]
        );
    };
}

fn target(digest: Digest) -> Descriptor {
    Descriptor::new(MediaType::OciManifest, digest, 64)
}

/// A target that is not here; images may point to such.
fn elsewhere() -> Descriptor {
    target(blob(64).1)
}

fn image(name: &str, target: &Descriptor) -> Image {
    Image::new(name, target.clone())
}

fn record(name: &str, target: &Descriptor) -> Record {
    Record { name: name.to_owned(), target: target.clone(), content_labels: Vec::new() }
}

async fn here(s: &Services, scope: &Scope) -> Descriptor {
    target(some(&*s.content, scope, labels(&[])).await)
}

async fn names(s: &Services, scope: &Scope) -> Vec<String> {
    let all = s.images.list(scope, &[]).await.unwrap();
    all.into_iter().map(|image| image.name).collect()
}

pub async fn an_image_is_told_as_it_was_made(s: &Services) {
    let (scope, before) = (room(), time::now());
    let mut target = elsewhere();
    target.annotations.insert("a.b/c".into(), "1".into());
    let wanted = Image { labels: labels(&[("k", "v")]), ..image("docker.io/x/y:1", &target) };
    let told = s.images.create(&scope, &wanted).await.unwrap();
    assert_eq!((&told.name, &told.target, &told.labels), (&wanted.name, &target, &wanted.labels));
    between(told.created_at, (before, time::now()));
    assert_eq!(told.created_at, told.updated_at);
    assert_eq!(s.images.get(&scope, "docker.io/x/y:1").await.unwrap(), told);
}

pub async fn a_name_is_taken_once(s: &Services) {
    let (scope, first) = (room(), elsewhere());
    s.images.create(&scope, &image("a", &first)).await.unwrap();
    let second = s.images.create(&scope, &image("a", &elsewhere())).await;
    refused(second, Kind::AlreadyExists);
    assert_eq!(s.images.get(&scope, "a").await.unwrap().target, first);
}

pub async fn an_image_needs_a_name(s: &Services) {
    let scope = room();
    let created = s.images.create(&scope, &image("", &elsewhere())).await;
    refused(created, Kind::InvalidArgument);
    let target = here(s, &scope).await;
    refused(s.images.record(&scope, record("", &target)).await, Kind::InvalidArgument);
}

pub async fn an_update_replaces_what_its_mask_names(s: &Services) {
    let (scope, first, second) = (room(), elsewhere(), elsewhere());
    let old = Image { labels: labels(&[("a", "1"), ("b", "2")]), ..image("i", &first) };
    let created = s.images.create(&scope, &old).await.unwrap().created_at;
    let steps = [
        (mask(&["target"]), vec![("x", "0")], &second, vec![("a", "1"), ("b", "2")], &second),
        (mask(&["labels.a"]), vec![("a", "9")], &first, vec![("a", "9"), ("b", "2")], &second),
        (mask(&["labels"]), vec![("c", "3")], &first, vec![("c", "3")], &second),
        (mask(&["labels.c", "target"]), vec![], &first, vec![], &first),
        (Mask::all(), vec![("z", "26")], &second, vec![("z", "26")], &second),
    ];
    for (mask, new, new_target, wanted, wanted_target) in steps {
        let before = time::now();
        let new = Image { labels: labels(&new), ..image("i", new_target) };
        let told = s.images.update(&scope, &new, &mask).await.unwrap();
        assert_eq!((&told.labels, &told.target), (&labels(&wanted), wanted_target), "{mask:?}");
        assert_eq!(told.created_at, created);
        between(told.updated_at, (before, time::now()));
        assert_eq!(s.images.get(&scope, "i").await.unwrap(), told);
    }
    let update = s.images.update(&scope, &image("i", &first), &mask(&["name"])).await;
    refused(update, Kind::InvalidArgument);
}

pub async fn an_update_leaves_nothing_dangling(s: &Services) {
    let scope = room();
    s.images.create(&scope, &image("i", &elsewhere())).await.unwrap();
    s.images.update(&scope, &image("i", &elsewhere()), &Mask::all()).await.unwrap();
    assert_eq!(names(s, &scope).await, ["i"]);
}

pub async fn a_label_too_long_is_refused(s: &Services) {
    let (scope, target) = (room(), elsewhere());
    let bad = Image { labels: labels(&[("k", &"v".repeat(4096))]), ..image("i", &target) };
    refused(s.images.create(&scope, &bad).await, Kind::InvalidArgument);
    let good = s.images.create(&scope, &image("i", &target)).await.unwrap();
    refused(s.images.update(&scope, &bad, &Mask::all()).await, Kind::InvalidArgument);
    assert_eq!(s.images.get(&scope, "i").await.unwrap(), good);
}

pub async fn images_are_listed_and_filtered(s: &Services) {
    let (scope, one, two) = (room(), elsewhere(), elsewhere());
    let labelled = Image { labels: labels(&[("k", "v")]), ..image("reg/b:1", &one) };
    s.images.create(&scope, &labelled).await.unwrap();
    s.images.create(&scope, &image("reg/a:2", &two)).await.unwrap();
    s.images.create(&scope, &image("reg/c:1", &one)).await.unwrap();
    let by_digest = format!("target.digest=={}", one.digest);
    for (texts, wanted) in [
        (vec![], vec!["reg/a:2", "reg/b:1", "reg/c:1"]),
        (vec!["name==reg/a:2"], vec!["reg/a:2"]),
        (vec!["name~=:1$"], vec!["reg/b:1", "reg/c:1"]),
        (vec![by_digest.as_str()], vec!["reg/b:1", "reg/c:1"]),
        (vec![&by_digest, "labels.k==v"], vec!["reg/b:1", "reg/c:1"]),
        (vec!["labels.k==v"], vec!["reg/b:1"]),
        (vec!["target.mediatype~=/manifest/,name!=reg/c:1"], vec!["reg/a:2", "reg/b:1"]),
    ] {
        let images = s.images.list(&scope, &filters(&texts)).await.unwrap();
        let names: Vec<_> = images.iter().map(|image| image.name.as_str()).collect();
        assert_eq!(names, wanted, "{texts:?}");
    }
    refused(s.images.list(&scope, &filters(&["name==\"x"])).await, Kind::InvalidArgument);
}

pub async fn a_deleted_image_is_gone(s: &Services) {
    let (scope, target) = (room(), elsewhere());
    s.images.create(&scope, &image("i", &target)).await.unwrap();
    s.images.delete(&scope, "i").await.unwrap();
    refused(s.images.get(&scope, "i").await, Kind::NotFound);
    refused(s.images.delete(&scope, "i").await, Kind::NotFound);
    assert!(names(s, &scope).await.is_empty());
    s.images.create(&scope, &image("i", &target)).await.unwrap();
}

pub async fn what_is_not_here_is_not_found(s: &Services) {
    let scope = room();
    refused(s.images.get(&scope, "none").await, Kind::NotFound);
    refused(s.images.delete(&scope, "none").await, Kind::NotFound);
    let update = s.images.update(&scope, &image("none", &elsewhere()), &Mask::all()).await;
    refused(update, Kind::NotFound);
    assert!(names(s, &scope).await.is_empty());
}

pub async fn a_name_is_each_namespaces_own(s: &Services) {
    let (one, two, target) = (room(), room(), elsewhere());
    s.images.create(&one, &image("i", &target)).await.unwrap();
    refused(s.images.get(&two, "i").await, Kind::NotFound);
    s.images.create(&two, &image("i", &elsewhere())).await.unwrap();
    s.images.delete(&two, "i").await.unwrap();
    assert_eq!(s.images.get(&one, "i").await.unwrap().target, target);
}

pub async fn a_record_points_the_name_and_merges_the_labels(s: &Services) {
    let scope = room();
    let manifest = some(&*s.content, &scope, labels(&[("old", "1"), ("gone", "1")])).await;
    let config = some(&*s.content, &scope, labels(&[])).await;
    let edge = ("containerd.io/gc.ref.content.config", config.to_string());
    let content_labels = vec![
        (manifest, labels(&[(edge.0, &edge.1), ("gone", "")])),
        (config, labels(&[("c", "1")])),
    ];
    let record = Record { content_labels, ..record("i", &target(manifest)) };
    assert_eq!(s.images.record(&scope, record).await.unwrap(), None);
    assert_eq!(s.images.get(&scope, "i").await.unwrap().target.digest, manifest);
    let info = s.content.info(&scope, &manifest).await.unwrap();
    assert_eq!(info.labels, labels(&[(edge.0, &edge.1), ("old", "1")]));
    assert_eq!(s.content.info(&scope, &config).await.unwrap().labels, labels(&[("c", "1")]));
    assert_eq!(names(s, &scope).await, ["i"]);
}

pub async fn a_record_of_a_blob_that_is_not_here_changes_nothing(s: &Services) {
    let scope = room();
    let target = here(s, &scope).await;
    let content_labels = vec![(target.digest, labels(&[("k", "v")])), (blob(9).1, labels(&[]))];
    let record = Record { content_labels, ..record("i", &target) };
    refused(s.images.record(&scope, record).await, Kind::NotFound);
    refused(s.images.get(&scope, "i").await, Kind::NotFound);
    assert!(s.content.info(&scope, &target.digest).await.unwrap().labels.is_empty());
}

pub async fn a_record_twice_is_a_record_once(s: &Services) {
    let scope = room();
    let target = here(s, &scope).await;
    s.images.record(&scope, record("i", &target)).await.unwrap();
    let new = Image { labels: labels(&[("mine", "1")]), ..image("i", &target) };
    let first = s.images.update(&scope, &new, &mask(&["labels"])).await.unwrap();
    let before = s.images.record(&scope, record("i", &target)).await.unwrap();
    assert_eq!(before, Some(first.clone()));
    assert_eq!(names(s, &scope).await, ["i"]);
    let now = s.images.get(&scope, "i").await.unwrap();
    assert_eq!((now.target, now.labels), (first.target, first.labels));
    assert_eq!(now.created_at, first.created_at);
}

pub async fn a_moved_name_leaves_its_image_dangling(s: &Services) {
    let scope = room();
    let (old, new) = (here(s, &scope).await, here(s, &scope).await);
    s.images.record(&scope, record("i", &old)).await.unwrap();
    let before = s.images.record(&scope, record("i", &new)).await.unwrap().unwrap();
    assert_eq!((before.name.as_str(), &before.target), ("i", &old));
    assert_eq!(s.images.get(&scope, "i").await.unwrap().target, new);
    let dangling = format!("{DANGLING}{}", old.digest);
    assert_eq!(s.images.get(&scope, &dangling).await.unwrap().target, old);
    assert_eq!(names(s, &scope).await.len(), 2);
}

pub async fn an_image_with_another_name_does_not_dangle(s: &Services) {
    let scope = room();
    let (old, new) = (here(s, &scope).await, here(s, &scope).await);
    s.images.record(&scope, record("i", &old)).await.unwrap();
    s.images.record(&scope, record("j", &old)).await.unwrap();
    s.images.record(&scope, record("i", &new)).await.unwrap();
    assert_eq!(names(s, &scope).await, ["i", "j"]);
}

pub async fn an_image_that_is_named_again_dangles_no_more(s: &Services) {
    let scope = room();
    let (old, new) = (here(s, &scope).await, here(s, &scope).await);
    for target in [&old, &new, &old] {
        s.images.record(&scope, record("i", target)).await.unwrap();
    }
    assert_eq!(names(s, &scope).await, ["i".to_owned(), format!("{DANGLING}{}", new.digest)]);
}

fn removal(name: &str) -> Removal {
    Removal { name: name.to_owned(), force: false }
}

async fn contain(s: &Services, scope: &Scope, id: &str, image: &str, pairs: &[(&str, &str)]) {
    let labels = labels(pairs);
    let container = Container { labels, image: image.to_owned(), ..plain(id) };
    s.containers.create(scope, &container).await.unwrap();
}

pub async fn a_name_that_nobody_uses_is_removed(s: &Services) {
    let scope = room();
    let target = here(s, &scope).await;
    for name in ["a", "b", "c"] {
        s.images.record(&scope, record(name, &target)).await.unwrap();
    }
    // Its other names keep what is of the one that goes.
    contain(s, &scope, "one", "b", &[]).await;
    let removed = s.images.remove(&scope, removal("b")).await.unwrap();
    assert_eq!((removed.image.name.as_str(), &removed.image.target), ("b", &target));
    assert_eq!(removed.left, ["a", "c"]);
    assert_eq!(names(s, &scope).await, ["a", "c"]);
    for (name, left) in [("a", vec!["c"]), ("c", vec![])] {
        assert_eq!(s.images.remove(&scope, removal(name)).await.unwrap().left, left);
    }
    refused(s.images.remove(&scope, removal("c")).await, Kind::NotFound);
}

pub async fn an_image_that_a_container_is_of_keeps_its_last_name(s: &Services) {
    let scope = room();
    let target = here(s, &scope).await;
    for (id, name, image) in [("one", "i", "i".to_owned()), ("two", "j", target.digest.to_string())]
    {
        s.images.record(&scope, record(name, &target)).await.unwrap();
        contain(s, &scope, id, &image, &[]).await;
        let error = s.images.remove(&scope, removal(name)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::FailedPrecondition);
        assert!(error.message().contains(&format!("container {id}")), "{}", error.message());
        assert_eq!(s.images.get(&scope, name).await.unwrap().target, target);
        s.containers.delete(&scope, id).await.unwrap();
        s.images.remove(&scope, removal(name)).await.unwrap();
    }
    assert!(names(s, &scope).await.is_empty());
}

pub async fn a_mounted_image_keeps_its_last_name(s: &Services) {
    let scope = room();
    let target = here(s, &scope).await;
    s.images.record(&scope, record("i", &target)).await.unwrap();
    let held = Resource::content(&target.digest);
    for (id, pairs) in [("pull", vec![]), ("mount", vec![(MOUNT_TARGET, "/mnt/there")])] {
        s.leases.create(&scope, id, &labels(&pairs)).await.unwrap();
        s.leases.add_resource(&scope, id, &held).await.unwrap();
    }
    let error = s.images.remove(&scope, removal("i")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::FailedPrecondition);
    assert!(error.message().contains("/mnt/there"), "{}", error.message());
    s.leases.delete(&scope, "mount").await.unwrap();
    // A lease that is no mount's uses nothing.
    s.images.remove(&scope, removal("i")).await.unwrap();
}

pub async fn force_takes_the_name_and_leaves_the_image(s: &Services) {
    let scope = room();
    let target = here(s, &scope).await;
    s.images.record(&scope, record("i", &target)).await.unwrap();
    contain(s, &scope, "one", "x", &[(IMAGE, &target.digest.to_string())]).await;
    let force = |name: &str| Removal { force: true, ..removal(name) };
    let dangling = dangling(&target.digest);
    let removed = s.images.remove(&scope, force("i")).await.unwrap();
    assert_eq!(removed.left, [dangling.as_str()]);
    assert_eq!(names(s, &scope).await, [dangling.as_str()]);
    assert_eq!(s.images.get(&scope, &dangling).await.unwrap().target, target);
    refused(s.images.remove(&scope, force(&dangling)).await, Kind::FailedPrecondition);
    s.containers.delete(&scope, "one").await.unwrap();
    assert!(s.images.remove(&scope, removal(&dangling)).await.unwrap().left.is_empty());
}

pub async fn a_container_is_of_the_image_that_its_label_names(s: &Services) {
    let scope = room();
    let (old, new) = (here(s, &scope).await, here(s, &scope).await);
    s.images.record(&scope, record("i", &old)).await.unwrap();
    contain(s, &scope, "one", "i", &[(IMAGE, &old.digest.to_string())]).await;
    s.images.record(&scope, record("i", &new)).await.unwrap();
    s.images.remove(&scope, removal("i")).await.unwrap();
    let dangling = dangling(&old.digest);
    refused(s.images.remove(&scope, removal(&dangling)).await, Kind::FailedPrecondition);
    assert_eq!(names(s, &scope).await, [dangling]);
}
