//! Collection: what anything refers to lives, and what nothing refers to does not.

use std::time::Duration;

use bytes::Bytes;

use super::Services;
use super::kit::{blob, expect, get, labels, mask, open, put, refused, room, some};
use crate::collect::Collected;
use crate::containers::Container;
use crate::digest::Digest;
use crate::error::Kind;
use crate::images::{Image, Record};
use crate::labels::{GC_EXPIRE, GC_FLAT, GC_ROOT, Labels};
use crate::leases::Resource;
use crate::oci::{Descriptor, MediaType};
use crate::scope::Scope;
use crate::time;

/// The promises of [`crate::collect::Collector`].
#[macro_export]
macro_rules! collect_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            collect_contract,
            collect,
            $fresh,
            [
                what_nothing_refers_to_is_removed,
                what_an_image_refers_to_lives,
                what_was_let_go_is_removed_with_what_is_below_it_alone,
                what_a_label_of_an_image_or_a_container_refers_to_lives,
                a_root_label_keeps_a_blob_and_what_it_refers_to,
                a_cycle_that_no_root_reaches_goes,
                a_lease_keeps_what_it_holds_and_what_that_refers_to,
                a_flat_lease_keeps_only_what_it_holds,
                an_expired_lease_goes_and_keeps_nothing,
                a_renewed_lease_keeps_what_it_holds,
                what_was_made_under_a_lease_lives_until_it_ends,
                a_young_ingest_lives,
                a_dangling_image_keeps_its_blobs,
                namespaces_are_marked_each_for_itself,
            ]
        );
    };
}

/// A blob that refers to others.
pub(super) async fn refers(s: &Services, scope: &Scope, to: &[Digest]) -> Digest {
    some(&*s.content, scope, edges(to)).await
}

pub(super) fn edges(to: &[Digest]) -> Labels {
    let edge = |(n, digest): (usize, &Digest)| {
        (format!("containerd.io/gc.ref.content.l.{n}"), digest.to_string())
    };
    to.iter().enumerate().map(edge).collect()
}

pub(super) async fn image(s: &Services, scope: &Scope, name: &str, digest: Digest, labels: Labels) {
    let target = Descriptor::new(MediaType::OciManifest, digest, 64);
    let image = Image { labels, ..Image::new(name, target) };
    s.images.create(scope, &image).await.unwrap();
}

pub(super) async fn collect(s: &Services) -> Collected {
    s.collector.collect(false).await.unwrap()
}

/// Asserts that of these blobs of a namespace these live, and the others do not.
pub(super) async fn lives(s: &Services, scope: &Scope, alive: &[Digest], dead: &[Digest]) {
    for digest in alive {
        s.content.info(scope, digest).await.expect("what is referred to lives");
    }
    for digest in dead {
        refused(s.content.info(scope, digest).await, Kind::NotFound);
    }
}

pub async fn what_nothing_refers_to_is_removed(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(5000));
    put(&*s.content, &scope, &bytes, labels(&[("other", "1")])).await;
    let collected = collect(s).await;
    assert_eq!(collected.blobs, [(scope.namespace.clone(), digest)]);
    assert!(collected.bytes >= 5000, "{collected:?}");
    lives(s, &scope, &[], &[digest]).await;
    // The bytes went too: there is nothing to link.
    let writer = expect(&*s.content, &scope, "again", digest).await.unwrap();
    assert_eq!(writer.status().offset, 0);
    assert_eq!(collect(s).await, Collected::default());
}

pub async fn what_an_image_refers_to_lives(s: &Services) {
    let scope = room();
    let layer = some(&*s.content, &scope, labels(&[])).await;
    let manifest = refers(s, &scope, &[layer, blob(1).1]).await;
    let index = refers(s, &scope, &[manifest]).await;
    let other = refers(s, &scope, &[layer]).await;
    image(s, &scope, "i", index, labels(&[])).await;
    collect(s).await;
    lives(s, &scope, &[index, manifest, layer], &[other]).await;
    s.images.delete(&scope, "i").await.unwrap();
    assert_eq!(collect(s).await.blobs.len(), 3);
    lives(s, &scope, &[], &[index, manifest, layer]).await;
}

pub async fn what_was_let_go_is_removed_with_what_is_below_it_alone(s: &Services) {
    let scope = room();
    let (own, shared) =
        (some(&*s.content, &scope, labels(&[])), some(&*s.content, &scope, labels(&[])));
    let (own, shared) = (own.await, shared.await);
    let goes = refers(s, &scope, &[own, shared]).await;
    let stays = refers(s, &scope, &[shared]).await;
    image(s, &scope, "goes", goes, labels(&[])).await;
    image(s, &scope, "stays", stays, labels(&[])).await;
    let collected = s.collector.collect_below(&scope, &[goes]).await.unwrap();
    assert_eq!(collected, Collected::default(), "it has its name");
    s.images.delete(&scope, "goes").await.unwrap();
    let collected = s.collector.collect_below(&scope, &[goes]).await.unwrap();
    assert_eq!(collected.blobs.len(), 2);
    lives(s, &scope, &[stays, shared], &[goes, own]).await;
    let again = s.collector.collect_below(&scope, &[goes]).await.unwrap();
    assert_eq!(again, Collected::default());
}

pub async fn what_a_label_of_an_image_or_a_container_refers_to_lives(s: &Services) {
    let scope = room();
    let of_image = some(&*s.content, &scope, labels(&[])).await;
    let of_container = some(&*s.content, &scope, labels(&[])).await;
    image(s, &scope, "i", blob(1).1, edges(&[of_image])).await;
    let container = Container { labels: edges(&[of_container]), ..super::containers::plain("c") };
    s.containers.create(&scope, &container).await.unwrap();
    collect(s).await;
    lives(s, &scope, &[of_image, of_container], &[]).await;
}

pub async fn a_root_label_keeps_a_blob_and_what_it_refers_to(s: &Services) {
    let scope = room();
    let leaf = some(&*s.content, &scope, labels(&[])).await;
    let mut root_labels = edges(&[leaf]);
    root_labels.insert(GC_ROOT.into(), "now".into());
    let root = some(&*s.content, &scope, root_labels).await;
    collect(s).await;
    lives(s, &scope, &[root, leaf], &[]).await;
    let unpinned = mask(&[&format!("labels.{GC_ROOT}")]);
    s.content.update(&scope, &root, &labels(&[]), &unpinned).await.unwrap();
    collect(s).await;
    lives(s, &scope, &[], &[root, leaf]).await;
}

pub async fn a_cycle_that_no_root_reaches_goes(s: &Services) {
    let scope = room();
    let one = some(&*s.content, &scope, labels(&[])).await;
    let two = refers(s, &scope, &[one]).await;
    s.content.update(&scope, &one, &edges(&[two, one]), &mask(&["labels"])).await.unwrap();
    image(s, &scope, "i", two, labels(&[])).await;
    collect(s).await;
    lives(s, &scope, &[one, two], &[]).await;
    s.images.delete(&scope, "i").await.unwrap();
    collect(s).await;
    lives(s, &scope, &[], &[one, two]).await;
}

/// A lease with these labels that holds a blob, which refers to another.
pub(super) async fn leased_pair(
    s: &Services,
    scope: &Scope,
    lease: &str,
    with: Labels,
) -> [Digest; 2] {
    let leaf = some(&*s.content, scope, labels(&[])).await;
    let held = refers(s, scope, &[leaf]).await;
    s.leases.create(scope, lease, &with).await.unwrap();
    let resource = Resource::content(&held);
    s.leases.add_resource(scope, lease, &resource).await.unwrap();
    [held, leaf]
}

pub async fn a_lease_keeps_what_it_holds_and_what_that_refers_to(s: &Services) {
    let scope = room();
    let pair = leased_pair(s, &scope, "l", labels(&[])).await;
    collect(s).await;
    lives(s, &scope, &pair, &[]).await;
    s.leases.delete(&scope, "l").await.unwrap();
    collect(s).await;
    lives(s, &scope, &[], &pair).await;
}

pub async fn a_flat_lease_keeps_only_what_it_holds(s: &Services) {
    let scope = room();
    let [held, leaf] = leased_pair(s, &scope, "l", labels(&[(GC_FLAT, "x")])).await;
    collect(s).await;
    lives(s, &scope, &[held], &[leaf]).await;
}

pub async fn an_expired_lease_goes_and_keeps_nothing(s: &Services) {
    let scope = room();
    let past = (time::now() - Duration::from_secs(1)).to_string();
    let future = (time::now() + Duration::from_secs(3600)).to_string();
    let dead = leased_pair(s, &scope, "over", labels(&[(GC_EXPIRE, &past)])).await;
    let alive = leased_pair(s, &scope, "not", labels(&[(GC_EXPIRE, &future)])).await;
    let collected = collect(s).await;
    assert_eq!(collected.leases, [(scope.namespace.clone(), "over".to_owned())]);
    lives(s, &scope, &alive, &dead).await;
    let left = s.leases.list(&scope, &[]).await.unwrap();
    assert_eq!(left.iter().map(|lease| lease.id.as_str()).collect::<Vec<_>>(), ["not"]);
}

pub async fn a_renewed_lease_keeps_what_it_holds(s: &Services) {
    let scope = room();
    let soon = (time::now() + Duration::from_millis(1500)).to_string();
    let pair = leased_pair(s, &scope, "l", labels(&[(GC_EXPIRE, &soon)])).await;
    s.leases.renew(&scope, "l", Duration::from_secs(3600)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1600)).await;
    collect(s).await;
    lives(s, &scope, &pair, &[]).await;
}

pub async fn what_was_made_under_a_lease_lives_until_it_ends(s: &Services) {
    let scope = room();
    s.leases.create(&scope, "l", &labels(&[])).await.unwrap();
    let digest = some(&*s.content, &scope.leased("l"), labels(&[])).await;
    collect(s).await;
    lives(s, &scope, &[digest], &[]).await;
    s.leases.delete(&scope, "l").await.unwrap();
    collect(s).await;
    lives(s, &scope, &[], &[digest]).await;
}

pub async fn a_young_ingest_lives(s: &Services) {
    let scope = room();
    let mut writer = open(&*s.content, &scope, "young").await.unwrap();
    writer.write(Bytes::from_static(b"some")).await.unwrap();
    collect(s).await;
    writer.write(Bytes::from_static(b"more")).await.unwrap();
    drop(writer);
    assert!(collect(s).await.ingests.is_empty());
    assert_eq!(s.content.status(&scope, "young").await.unwrap().offset, 8);
}

pub async fn a_dangling_image_keeps_its_blobs(s: &Services) {
    let scope = room();
    let old = some(&*s.content, &scope, labels(&[])).await;
    let new = some(&*s.content, &scope, labels(&[])).await;
    for digest in [old, new] {
        let target = Descriptor::new(MediaType::OciManifest, digest, 64);
        let record = Record { name: "i".into(), target, content_labels: Vec::new() };
        s.images.record(&scope, record).await.unwrap();
    }
    collect(s).await;
    lives(s, &scope, &[old, new], &[]).await;
}

pub async fn namespaces_are_marked_each_for_itself(s: &Services) {
    let (here, there, (bytes, digest)) = (room(), room(), blob(100));
    put(&*s.content, &here, &bytes, labels(&[])).await;
    put(&*s.content, &there, &bytes, labels(&[])).await;
    image(s, &here, "i", digest, labels(&[])).await;
    let collected = collect(s).await;
    assert_eq!(collected.blobs, [(there.namespace.clone(), digest)]);
    assert_eq!(collected.bytes, 0, "the bytes are needed here");
    lives(s, &there, &[], &[digest]).await;
    assert_eq!(get(&*s.content, &here, &digest).await, bytes);
}
