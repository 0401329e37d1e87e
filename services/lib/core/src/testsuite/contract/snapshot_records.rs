//! What is told of snapshots: labels, lists, and the leases that hold them.

use super::SnapshotsSubject;
use super::kit::{between, filters, labels, mask, refused, room};
use super::snapshots::{EACH, commit, committed, names, new, prepare, some_of_each, view};
use crate::error::Kind as Refusal;
use crate::leases::Resource;
use crate::mask::Mask;
use crate::snapshots::NewSnapshot;
use crate::time;

/// The promises of [`crate::snapshots::Snapshots`] about records; part of the contract of snapshots.
#[macro_export]
#[doc(hidden)]
macro_rules! snapshot_records_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            snapshot_records_contract,
            snapshot_records,
            $fresh,
            [
                a_commit_sets_its_own_labels,
                an_update_replaces_what_its_mask_names,
                nothing_but_labels_is_mutable,
                a_label_too_long_is_refused,
                a_list_is_filtered_and_in_order,
                a_list_can_be_asked_about_while_it_is_read,
                what_is_made_under_a_lease_is_held_by_it,
                an_unknown_lease_refuses_and_makes_nothing,
            ]
        );
    };
}

type S = SnapshotsSubject;

pub async fn a_commit_sets_its_own_labels(s: &S) {
    let scope = room();
    let first = NewSnapshot { labels: labels(&[("of", "key")]), ..new("key", "") };
    s.snapshots.prepare(&scope, first).await.unwrap();
    let info = s.snapshots.stat(&scope, "key").await.unwrap();
    assert_eq!(info.labels, labels(&[("of", "key")]));
    let last = labels(&[("name", "1")]);
    s.snapshots.commit(&scope, "name", "key", &last).await.unwrap();
    assert_eq!(s.snapshots.stat(&scope, "name").await.unwrap().labels, last);
}

pub async fn an_update_replaces_what_its_mask_names(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    let steps = [
        (Mask::all(), vec![("l1", "v1"), ("l2", "v2")], vec![("l1", "v1"), ("l2", "v2")]),
        (mask(&["labels.l1", "labels.l2"]), vec![("l1", "new"), ("l4", "x")], vec![("l1", "new")]),
        (mask(&["labels"]), vec![("a.b/c", "1")], vec![("a.b/c", "1")]),
        (mask(&["labels.a.b/c"]), vec![], vec![]),
    ];
    for (key, kind, parent) in EACH {
        let created = s.snapshots.stat(&scope, key).await.unwrap().created_at;
        for (mask, new, wanted) in &steps {
            let before = time::now();
            let told = s.snapshots.update(&scope, key, &labels(new), mask).await.unwrap();
            between(told.updated_at, (before, time::now()));
            assert_eq!(told.labels, labels(wanted), "{key} {mask:?}");
            assert_eq!((told.created_at, told.kind), (created, kind));
            assert_eq!((told.name.as_str(), told.parent.as_deref()), (key, parent));
            assert_eq!(s.snapshots.stat(&scope, key).await.unwrap(), told);
        }
    }
}

pub async fn nothing_but_labels_is_mutable(s: &S) {
    let scope = room();
    committed(s, &scope, "c", "").await;
    let before = s.snapshots.stat(&scope, "c").await.unwrap();
    let update = s.snapshots.update(&scope, "c", &labels(&[]), &mask(&["parent"])).await;
    refused(update, Refusal::InvalidArgument);
    assert_eq!(s.snapshots.stat(&scope, "c").await.unwrap(), before);
}

pub async fn a_label_too_long_is_refused(s: &S) {
    let (scope, long) = (room(), labels(&[("k", &"v".repeat(4096))]));
    let bad = |key| NewSnapshot { labels: long.clone(), ..new(key, "") };
    refused(s.snapshots.prepare(&scope, bad("p")).await, Refusal::InvalidArgument);
    refused(s.snapshots.view(&scope, bad("v")).await, Refusal::InvalidArgument);
    prepare(s, &scope, "a", "").await.unwrap();
    refused(s.snapshots.commit(&scope, "c", "a", &long).await, Refusal::InvalidArgument);
    refused(s.snapshots.update(&scope, "a", &long, &Mask::all()).await, Refusal::InvalidArgument);
    assert_eq!(names(&s.snapshots.list(&scope, &[]).await.unwrap()), ["a"]);
}

pub async fn a_list_is_filtered_and_in_order(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    for (key, value) in [("c1", "1"), ("a", "2"), ("v0", "2")] {
        let new = labels(&[("l", value), ("x.y/z", "1")]);
        s.snapshots.update(&scope, key, &new, &Mask::all()).await.unwrap();
    }
    for (texts, wanted) in [
        (vec![], vec!["a", "a0", "c1", "c2", "v", "v0"]),
        (vec!["kind==active"], vec!["a", "a0"]),
        (vec!["kind==view"], vec!["v", "v0"]),
        (vec!["kind==committed"], vec!["c1", "c2"]),
        (vec!["name==c1", "name==a0"], vec!["a0", "c1"]),
        (vec!["parent==c2"], vec!["a", "v"]),
        (vec![r#"parent!="""#], vec!["a", "c2", "v"]),
        (vec!["parent"], vec!["a", "c2", "v"]),
        (vec!["name==a,labels.l"], vec!["a"]),
        (vec!["labels.l==2"], vec!["a", "v0"]),
        (vec![r#"labels."x.y/z"==1,kind!=view"#], vec!["a", "c1"]),
        (vec!["name~=^c"], vec!["c1", "c2"]),
    ] {
        let infos = s.snapshots.list(&scope, &filters(&texts)).await.unwrap();
        assert_eq!(names(&infos), wanted, "{texts:?}");
    }
    let bad = s.snapshots.list(&scope, &filters(&["kind==\"unclosed"])).await;
    refused(bad, Refusal::InvalidArgument);
}

pub async fn a_list_can_be_asked_about_while_it_is_read(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    for info in s.snapshots.list(&scope, &[]).await.unwrap() {
        assert_eq!(s.snapshots.stat(&scope, &info.name).await.unwrap(), info);
    }
}

pub async fn what_is_made_under_a_lease_is_held_by_it(s: &S) {
    let scope = room();
    let lease = s.leases.create(&scope, "", &labels(&[])).await.unwrap().id;
    let leased = scope.leased(&lease);
    committed(s, &scope, "before", "").await;
    prepare(s, &leased, "a", "").await.unwrap();
    view(s, &leased, "v", "before").await.unwrap();
    prepare(s, &leased, "k", "").await.unwrap();
    commit(s, &leased, "c", "k").await.unwrap();
    let held = s.leases.list_resources(&scope, &lease).await.unwrap();
    for key in ["a", "v", "c"] {
        assert!(held.contains(&Resource::snapshot(&s.name, key)), "{key}: {held:?}");
    }
}

pub async fn an_unknown_lease_refuses_and_makes_nothing(s: &S) {
    let scope = room();
    let leased = scope.leased("no-such-lease");
    refused(prepare(s, &leased, "a", "").await, Refusal::NotFound);
    refused(view(s, &leased, "v", "").await, Refusal::NotFound);
    assert!(s.snapshots.list(&scope, &[]).await.unwrap().is_empty());
    prepare(s, &scope, "k", "").await.unwrap();
    refused(commit(s, &leased, "c", "k").await, Refusal::NotFound);
    assert_eq!(names(&s.snapshots.list(&scope, &[]).await.unwrap()), ["k"]);
}
