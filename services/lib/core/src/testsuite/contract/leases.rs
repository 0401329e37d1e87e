//! Leases: their records, and that what is made under one is on it first.

use std::time::Duration;

use super::Services;
use super::kit::{between, blob, expect, filters, labels, open, put, refused, room, some};
use crate::content::Commit;
use crate::error::Kind;
use crate::labels::GC_EXPIRE;
use crate::leases::Resource;
use crate::time::{self, Timestamp};

/// The promises of [`crate::leases::Leases`], and of the content store towards them.
#[macro_export]
macro_rules! leases_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            leases_contract,
            leases,
            $fresh,
            [
                a_lease_is_told_as_it_was_made,
                a_lease_without_an_id_is_given_one,
                an_id_is_taken_once,
                an_id_is_any_name,
                a_deleted_lease_is_gone,
                a_renewed_lease_ends_later,
                leases_are_listed_and_filtered,
                a_resource_is_added_and_taken_away_as_often_as_one_likes,
                a_resource_that_is_none_is_refused,
                a_lease_that_is_not_holds_nothing,
                a_lease_is_each_namespaces_own,
                an_ingest_begun_under_a_lease_is_on_it,
                a_blob_committed_under_a_lease_is_on_it,
                a_blob_that_was_here_is_on_the_lease_that_asked_for_it,
                an_unknown_lease_refuses_and_makes_nothing,
            ]
        );
    };
}

pub async fn a_lease_is_told_as_it_was_made(s: &Services) {
    let (scope, before) = (room(), time::now());
    let wanted = labels(&[("k", "v"), ("containerd.io/gc.flat", "x")]);
    let lease = s.leases.create(&scope, "mine", &wanted).await.unwrap();
    assert_eq!((lease.id.as_str(), &lease.labels), ("mine", &wanted));
    between(lease.created_at, (before, time::now()));
    assert_eq!(s.leases.list(&scope, &[]).await.unwrap(), [lease]);
    assert!(s.leases.list_resources(&scope, "mine").await.unwrap().is_empty());
}

pub async fn a_lease_without_an_id_is_given_one(s: &Services) {
    let scope = room();
    let one = s.leases.create(&scope, "", &labels(&[])).await.unwrap();
    let two = s.leases.create(&scope, "", &labels(&[])).await.unwrap();
    assert!(!one.id.is_empty() && one.id != two.id);
    s.leases.delete(&scope, &one.id).await.unwrap();
    assert_eq!(s.leases.list(&scope, &[]).await.unwrap(), [two]);
}

pub async fn an_id_is_taken_once(s: &Services) {
    let scope = room();
    s.leases.create(&scope, "a", &labels(&[("of", "first")])).await.unwrap();
    refused(s.leases.create(&scope, "a", &labels(&[])).await, Kind::AlreadyExists);
    let left = s.leases.list(&scope, &[]).await.unwrap();
    assert_eq!(left[0].labels, labels(&[("of", "first")]));
}

/// containerd's clients make ids by chance, and of directories.
pub async fn an_id_is_any_name(s: &Services) {
    let scope = room();
    for id in ["331977433-pjj-", "1--_", "/mnt/../x", "a b"] {
        s.leases.create(&scope, id, &labels(&[])).await.unwrap();
        s.leases.add_resource(&scope, id, &Resource::ingest("i")).await.unwrap();
        assert_eq!(s.leases.list_resources(&scope, id).await.unwrap(), [Resource::ingest("i")]);
        s.leases.delete(&scope, id).await.unwrap();
    }
    for bad in ["a\nb", &"a".repeat(513)] {
        let lease = s.leases.create(&scope, bad, &labels(&[])).await;
        refused(lease, Kind::InvalidArgument);
    }
}

pub async fn a_deleted_lease_is_gone(s: &Services) {
    let scope = room();
    s.leases.create(&scope, "a", &labels(&[])).await.unwrap();
    let resource = Resource::ingest("i");
    s.leases.add_resource(&scope, "a", &resource).await.unwrap();
    s.leases.delete(&scope, "a").await.unwrap();
    refused(s.leases.delete(&scope, "a").await, Kind::NotFound);
    assert!(s.leases.list(&scope, &[]).await.unwrap().is_empty());
    s.leases.create(&scope, "a", &labels(&[])).await.unwrap();
    assert!(s.leases.list_resources(&scope, "a").await.unwrap().is_empty());
}

pub async fn a_renewed_lease_ends_later(s: &Services) {
    let (scope, hour) = (room(), Duration::from_secs(3600));
    let soon = (time::now() + Duration::from_secs(60)).to_string();
    s.leases.create(&scope, "a", &labels(&[(GC_EXPIRE, &soon), ("k", "v")])).await.unwrap();
    let before = time::now();
    let lease = s.leases.renew(&scope, "a", hour).await.unwrap();
    let end: Timestamp = lease.labels[GC_EXPIRE].parse().unwrap();
    // To the second, should an implementation write no fractions.
    let second = Duration::from_secs(1);
    between(end, (before + hour - second, time::now() + hour + second));
    assert_eq!(lease.labels["k"], "v");
    assert_eq!(s.leases.list(&scope, &[]).await.unwrap(), [lease]);
    refused(s.leases.renew(&scope, "none", hour).await, Kind::NotFound);
}

pub async fn leases_are_listed_and_filtered(s: &Services) {
    let scope = room();
    for (id, kind) in [("b", "pull"), ("a", "pull"), ("c", "mount")] {
        s.leases.create(&scope, id, &labels(&[("x.y/kind", kind)])).await.unwrap();
    }
    for (texts, wanted) in [
        (vec![], vec!["a", "b", "c"]),
        (vec!["id==b"], vec!["b"]),
        (vec![r#"labels."x.y/kind"==pull"#], vec!["a", "b"]),
        (vec!["id==c", "id==a"], vec!["a", "c"]),
    ] {
        let leases = s.leases.list(&scope, &filters(&texts)).await.unwrap();
        let ids: Vec<_> = leases.iter().map(|lease| lease.id.as_str()).collect();
        assert_eq!(ids, wanted, "{texts:?}");
    }
    refused(s.leases.list(&scope, &filters(&["id==\"x"])).await, Kind::InvalidArgument);
}

pub async fn a_resource_is_added_and_taken_away_as_often_as_one_likes(s: &Services) {
    let scope = room();
    s.leases.create(&scope, "a", &labels(&[])).await.unwrap();
    // None of them needs to be here.
    let all = [
        Resource::content(&blob(1).1),
        Resource::ingest("layer-x"),
        Resource::snapshot("overlayfs", "some/key with spaces"),
    ];
    for resource in all.iter().chain(&all) {
        s.leases.add_resource(&scope, "a", resource).await.unwrap();
    }
    let mut held = s.leases.list_resources(&scope, "a").await.unwrap();
    held.sort();
    assert_eq!(held, all);
    for resource in [&all[1], &all[1], &all[0]] {
        s.leases.delete_resource(&scope, "a", resource).await.unwrap();
    }
    assert_eq!(s.leases.list_resources(&scope, "a").await.unwrap(), all[2..]);
}

pub async fn a_resource_that_is_none_is_refused(s: &Services) {
    let scope = room();
    s.leases.create(&scope, "a", &labels(&[])).await.unwrap();
    for (kind, id) in [("content", "no digest"), ("weather", "x"), ("snapshots/", "x"), ("", "x")] {
        let resource = Resource { kind: kind.into(), id: id.into() };
        let added = s.leases.add_resource(&scope, "a", &resource).await;
        refused(added, Kind::InvalidArgument);
    }
    assert!(s.leases.list_resources(&scope, "a").await.unwrap().is_empty());
}

pub async fn a_lease_that_is_not_holds_nothing(s: &Services) {
    let (scope, resource) = (room(), Resource::ingest("i"));
    refused(s.leases.add_resource(&scope, "none", &resource).await, Kind::NotFound);
    refused(s.leases.delete_resource(&scope, "none", &resource).await, Kind::NotFound);
    refused(s.leases.list_resources(&scope, "none").await, Kind::NotFound);
    refused(s.leases.delete(&scope, "none").await, Kind::NotFound);
}

pub async fn a_lease_is_each_namespaces_own(s: &Services) {
    let (here, there) = (room(), room());
    s.leases.create(&here, "a", &labels(&[])).await.unwrap();
    assert!(s.leases.list(&there, &[]).await.unwrap().is_empty());
    refused(s.leases.delete(&there, "a").await, Kind::NotFound);
    refused(open(&*s.content, &there.leased("a"), "i").await, Kind::NotFound);
}

pub async fn an_ingest_begun_under_a_lease_is_on_it(s: &Services) {
    let scope = room();
    s.leases.create(&scope, "a", &labels(&[])).await.unwrap();
    drop(open(&*s.content, &scope.leased("a"), "i").await.unwrap());
    let held = s.leases.list_resources(&scope, "a").await.unwrap();
    assert_eq!(held, [Resource::ingest("i")]);
}

pub async fn a_blob_committed_under_a_lease_is_on_it(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(100));
    s.leases.create(&scope, "a", &labels(&[])).await.unwrap();
    let mut writer = open(&*s.content, &scope.leased("a"), "i").await.unwrap();
    writer.write(bytes).await.unwrap();
    writer.commit(Commit::default()).await.unwrap();
    let held = s.leases.list_resources(&scope, "a").await.unwrap();
    assert!(held.contains(&Resource::content(&digest)), "{held:?}");
}

pub async fn a_blob_that_was_here_is_on_the_lease_that_asked_for_it(s: &Services) {
    let (scope, (bytes, digest)) = (room(), blob(100));
    put(&*s.content, &scope, &bytes, labels(&[])).await;
    for lease in ["asked", "wrote"] {
        s.leases.create(&scope, lease, &labels(&[])).await.unwrap();
    }
    let asked = expect(&*s.content, &scope.leased("asked"), "i", digest).await;
    refused(asked, Kind::AlreadyExists);
    let mut writer = open(&*s.content, &scope.leased("wrote"), "j").await.unwrap();
    writer.write(bytes).await.unwrap();
    refused(writer.commit(Commit::default()).await, Kind::AlreadyExists);
    for lease in ["asked", "wrote"] {
        let held = s.leases.list_resources(&scope, lease).await.unwrap();
        assert!(held.contains(&Resource::content(&digest)), "{lease}: {held:?}");
    }
}

pub async fn an_unknown_lease_refuses_and_makes_nothing(s: &Services) {
    let scope = room();
    refused(open(&*s.content, &scope.leased("none"), "i").await, Kind::NotFound);
    refused(s.content.status(&scope, "i").await, Kind::NotFound);

    // It may also end between the opening and the commit.
    s.leases.create(&scope, "short", &labels(&[])).await.unwrap();
    let (bytes, digest) = blob(10);
    let mut writer = open(&*s.content, &scope.leased("short"), "i").await.unwrap();
    writer.write(bytes).await.unwrap();
    s.leases.delete(&scope, "short").await.unwrap();
    refused(writer.commit(Commit::default()).await, Kind::NotFound);
    refused(s.content.info(&scope, &digest).await, Kind::NotFound);
    some(&*s.content, &scope, labels(&[])).await;
}
