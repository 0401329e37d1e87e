//! The graph of snapshots: what can be made of what, and what is told of it.

use super::SnapshotsSubject;
use super::kit::{between, labels, refused, room};
use crate::error::{Kind as Refusal, Result};
use crate::labels::Labels;
use crate::mask::Mask;
use crate::mount::Mount;
use crate::scope::Scope;
use crate::snapshots::{Info, Kind, NewSnapshot, Usage};
use crate::time;

/// The promises of [`crate::snapshots::Snapshots`] that need no tree.
#[macro_export]
macro_rules! snapshots_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            snapshots_contract,
            snapshots,
            $fresh,
            [
                an_active_snapshot_becomes_a_committed_one,
                a_snapshot_stands_on_its_parent,
                what_is_told_at_first_is_when_it_was_made,
                a_key_is_used_once,
                a_name_is_used_once,
                only_a_committed_snapshot_can_be_a_parent,
                only_an_active_snapshot_can_be_committed,
                only_what_is_not_committed_has_mounts,
                the_mounts_are_the_same_each_time,
                a_snapshot_with_a_child_cannot_be_removed,
                a_removed_key_can_be_used_again,
                a_snapshot_needs_a_key,
                what_is_not_here_is_not_found,
                namespaces_know_nothing_of_each_other,
            ]
        );
        $crate::snapshot_records_contract!($fresh);
    };
}

type S = SnapshotsSubject;

/// A snapshot to be made of `key` on `parent`; an empty one is none.
pub(super) fn new(key: &str, parent: &str) -> NewSnapshot {
    let parent = (!parent.is_empty()).then(|| parent.to_owned());
    NewSnapshot { key: key.to_owned(), parent, labels: Labels::new() }
}

pub(super) async fn prepare(s: &S, scope: &Scope, key: &str, parent: &str) -> Result<Vec<Mount>> {
    s.snapshots.prepare(scope, new(key, parent)).await
}

pub(super) async fn view(s: &S, scope: &Scope, key: &str, parent: &str) -> Result<Vec<Mount>> {
    s.snapshots.view(scope, new(key, parent)).await
}

pub(super) async fn commit(s: &S, scope: &Scope, name: &str, key: &str) -> Result<()> {
    s.snapshots.commit(scope, name, key, &Labels::new()).await
}

/// Makes the committed snapshot `name` with nothing in it.
pub(super) async fn committed(s: &S, scope: &Scope, name: &str, parent: &str) {
    let key = format!("{name}-in-the-making");
    prepare(s, scope, &key, parent).await.unwrap();
    commit(s, scope, name, &key).await.unwrap();
}

/// Two committed (`c1`, `c2` on it), an active `a` and a view `v` on `c2`, and each on nothing.
pub(super) async fn some_of_each(s: &S, scope: &Scope) {
    committed(s, scope, "c1", "").await;
    committed(s, scope, "c2", "c1").await;
    prepare(s, scope, "a", "c2").await.unwrap();
    prepare(s, scope, "a0", "").await.unwrap();
    view(s, scope, "v", "c2").await.unwrap();
    view(s, scope, "v0", "").await.unwrap();
}

pub(super) const EACH: [(&str, Kind, Option<&str>); 6] = [
    ("c1", Kind::Committed, None),
    ("c2", Kind::Committed, Some("c1")),
    ("a", Kind::Active, Some("c2")),
    ("a0", Kind::Active, None),
    ("v", Kind::View, Some("c2")),
    ("v0", Kind::View, None),
];

pub async fn an_active_snapshot_becomes_a_committed_one(s: &S) {
    let scope = room();
    assert!(!prepare(s, &scope, "key", "").await.unwrap().is_empty());
    assert_eq!(s.snapshots.stat(&scope, "key").await.unwrap().kind, Kind::Active);
    commit(s, &scope, "name", "key").await.unwrap();
    let info = s.snapshots.stat(&scope, "name").await.unwrap();
    assert_eq!((info.kind, info.name.as_str(), info.parent), (Kind::Committed, "name", None));
    refused(s.snapshots.stat(&scope, "key").await, Refusal::NotFound);
}

pub async fn a_snapshot_stands_on_its_parent(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    for (key, kind, parent) in EACH {
        let info = s.snapshots.stat(&scope, key).await.unwrap();
        assert_eq!((info.name.as_str(), info.kind, info.parent.as_deref()), (key, kind, parent));
    }
}

pub async fn what_is_told_at_first_is_when_it_was_made(s: &S) {
    let (scope, before) = (room(), time::now());
    some_of_each(s, &scope).await;
    let made = (before, time::now());
    for (key, ..) in EACH {
        let info = s.snapshots.stat(&scope, key).await.unwrap();
        between(info.created_at, made);
        assert_eq!(info.created_at, info.updated_at, "{key}");
    }
}

pub async fn a_key_is_used_once(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    for (key, ..) in EACH {
        for parent in ["", "c1"] {
            refused(prepare(s, &scope, key, parent).await, Refusal::AlreadyExists);
            refused(view(s, &scope, key, parent).await, Refusal::AlreadyExists);
        }
    }
    assert_eq!(s.snapshots.list(&scope, &[]).await.unwrap().len(), EACH.len());
}

pub async fn a_name_is_used_once(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    for name in ["c1", "a0", "v"] {
        refused(commit(s, &scope, name, "a").await, Refusal::AlreadyExists);
        // So that who commits again is told that it is done.
        refused(commit(s, &scope, name, "none").await, Refusal::AlreadyExists);
    }
    assert_eq!(s.snapshots.stat(&scope, "a").await.unwrap().kind, Kind::Active);
}

pub async fn only_a_committed_snapshot_can_be_a_parent(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    for parent in ["a", "a0", "v", "v0"] {
        refused(prepare(s, &scope, "n", parent).await, Refusal::InvalidArgument);
        refused(view(s, &scope, "n", parent).await, Refusal::InvalidArgument);
    }
    refused(prepare(s, &scope, "n", "none").await, Refusal::NotFound);
    refused(view(s, &scope, "n", "none").await, Refusal::NotFound);
    refused(s.snapshots.stat(&scope, "n").await, Refusal::NotFound);
}

pub async fn only_an_active_snapshot_can_be_committed(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    for key in ["v", "v0", "c1"] {
        refused(commit(s, &scope, "n", key).await, Refusal::FailedPrecondition);
    }
    refused(commit(s, &scope, "n", "none").await, Refusal::NotFound);
    refused(s.snapshots.stat(&scope, "n").await, Refusal::NotFound);
}

pub async fn only_what_is_not_committed_has_mounts(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    for key in ["a", "a0", "v", "v0"] {
        assert!(!s.snapshots.mounts(&scope, key).await.unwrap().is_empty(), "{key}");
    }
    for view in ["v", "v0"] {
        assert_eq!(s.snapshots.usage(&scope, view).await.unwrap(), Usage::default());
    }
    refused(s.snapshots.mounts(&scope, "c1").await, Refusal::FailedPrecondition);
    refused(s.snapshots.mounts(&scope, "none").await, Refusal::NotFound);
}

pub async fn the_mounts_are_the_same_each_time(s: &S) {
    let scope = room();
    committed(s, &scope, "c", "").await;
    let active = prepare(s, &scope, "a", "c").await.unwrap();
    let viewed = view(s, &scope, "v", "c").await.unwrap();
    assert_eq!(s.snapshots.mounts(&scope, "a").await.unwrap(), active);
    assert_eq!(s.snapshots.mounts(&scope, "v").await.unwrap(), viewed);
    assert_ne!(active, viewed);
}

pub async fn a_snapshot_with_a_child_cannot_be_removed(s: &S) {
    let scope = room();
    some_of_each(s, &scope).await;
    for (parent, children) in [("c2", ["a", "v"].as_slice()), ("c1", &["c2"])] {
        for child in children {
            let error = s.snapshots.remove(&scope, parent).await.unwrap_err();
            assert_eq!(error.kind(), Refusal::FailedPrecondition);
            assert!(error.chain().contains("cannot remove snapshot with child"), "{error}");
            s.snapshots.remove(&scope, child).await.unwrap();
        }
    }
    s.snapshots.remove(&scope, "c1").await.unwrap();
    let left = s.snapshots.list(&scope, &[]).await.unwrap();
    assert_eq!(names(&left), ["a0", "v0"]);
}

pub async fn a_removed_key_can_be_used_again(s: &S) {
    let scope = room();
    committed(s, &scope, "one", "").await;
    prepare(s, &scope, "reuse", "one").await.unwrap();
    s.snapshots.remove(&scope, "reuse").await.unwrap();
    view(s, &scope, "reuse", "one").await.unwrap();
    s.snapshots.remove(&scope, "reuse").await.unwrap();
    prepare(s, &scope, "reuse", "").await.unwrap();
    s.snapshots.remove(&scope, "one").await.unwrap();
    commit(s, &scope, "one", "reuse").await.unwrap();
    assert_eq!(s.snapshots.stat(&scope, "one").await.unwrap().kind, Kind::Committed);
    refused(s.snapshots.remove(&scope, "reuse").await, Refusal::NotFound);
}

pub async fn a_snapshot_needs_a_key(s: &S) {
    let scope = room();
    refused(prepare(s, &scope, "", "").await, Refusal::InvalidArgument);
    refused(view(s, &scope, "", "").await, Refusal::InvalidArgument);
    prepare(s, &scope, "a", "").await.unwrap();
    refused(commit(s, &scope, "", "a").await, Refusal::InvalidArgument);
}

pub(super) fn names(infos: &[Info]) -> Vec<&str> {
    infos.iter().map(|info| info.name.as_str()).collect()
}

pub async fn what_is_not_here_is_not_found(s: &S) {
    let scope = room();
    refused(s.snapshots.stat(&scope, "none").await, Refusal::NotFound);
    refused(s.snapshots.usage(&scope, "none").await, Refusal::NotFound);
    refused(s.snapshots.mounts(&scope, "none").await, Refusal::NotFound);
    refused(s.snapshots.remove(&scope, "none").await, Refusal::NotFound);
    let update = s.snapshots.update(&scope, "none", &labels(&[]), &Mask::all()).await;
    refused(update, Refusal::NotFound);
    assert!(s.snapshots.list(&scope, &[]).await.unwrap().is_empty());
}

pub async fn namespaces_know_nothing_of_each_other(s: &S) {
    let (here, there) = (room(), room());
    committed(s, &here, "c", "").await;
    refused(s.snapshots.stat(&there, "c").await, Refusal::NotFound);
    refused(prepare(s, &there, "a", "c").await, Refusal::NotFound);
    committed(s, &there, "c", "").await;
    s.snapshots.remove(&here, "c").await.unwrap();
    assert_eq!(names(&s.snapshots.list(&there, &[]).await.unwrap()), ["c"]);
}
