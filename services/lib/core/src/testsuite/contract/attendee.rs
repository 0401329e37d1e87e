//! A snapshotter at a collection: it tells all it has, and removes no more than it is told.

use super::SnapshotsSubject;
use super::kit::{labels, room};
use super::snapshots::{commit, committed, prepare, view};
use crate::collect::Node;
use crate::mask::Mask;
use crate::scope::Scope;

/// The promises of [`crate::collect::Attendee`].
#[macro_export]
macro_rules! attendee_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            attendee_contract,
            attendee,
            $fresh,
            [
                every_snapshot_of_every_namespace_is_told,
                children_go_before_their_parents,
                what_is_newer_than_the_generation_lives,
                what_has_got_a_child_since_lives,
                what_is_gone_already_is_no_failure,
                what_was_not_doomed_stays,
            ]
        );
    };
}

type S = SnapshotsSubject;

async fn keys(s: &S, scope: &Scope) -> Vec<String> {
    let all = s.snapshots.list(scope, &[]).await.unwrap();
    all.into_iter().map(|info| info.name).collect()
}

/// Removes these of one namespace, as of `generation`.
async fn remove(s: &S, scope: &Scope, generation: u64, doomed: &[&str]) {
    let doomed = doomed.iter().map(|key| (scope.namespace.clone(), key.to_string()));
    s.attendee.remove(generation, doomed.collect()).await.unwrap();
}

pub async fn every_snapshot_of_every_namespace_is_told(s: &S) {
    let (here, there) = (room(), room());
    committed(s, &here, "c", "").await;
    prepare(s, &here, "a", "c").await.unwrap();
    view(s, &there, "v", "").await.unwrap();
    let all = [("containerd.io/gc.root", "x"), ("containerd.io/gc.ref.content.0", "y"), ("z", "1")];
    s.snapshots.update(&here, "c", &labels(&all), &Mask::all()).await.unwrap();
    let mut nodes = s.attendee.freeze().await.unwrap().nodes;
    nodes.retain(|node| [&here.namespace, &there.namespace].contains(&&node.namespace));
    nodes.sort_by(|a, b| a.key.cmp(&b.key));
    let told = |node: &Node| (node.namespace.clone(), node.key.clone(), node.parent.clone());
    let wanted = [(&here, "a", Some("c")), (&here, "c", None), (&there, "v", None)];
    let wanted = wanted.map(|(scope, key, parent)| {
        (scope.namespace.clone(), key.to_owned(), parent.map(str::to_owned))
    });
    assert_eq!(nodes.iter().map(told).collect::<Vec<_>>(), wanted);
    assert_eq!(nodes[1].labels, labels(&all[..2]));
}

pub async fn children_go_before_their_parents(s: &S) {
    let scope = room();
    committed(s, &scope, "c1", "").await;
    committed(s, &scope, "c2", "c1").await;
    committed(s, &scope, "c3", "c2").await;
    view(s, &scope, "v", "c3").await.unwrap();
    let generation = s.attendee.freeze().await.unwrap().generation;
    remove(s, &scope, generation, &["c2", "c1", "v", "c3"]).await;
    assert!(keys(s, &scope).await.is_empty());
}

pub async fn what_is_newer_than_the_generation_lives(s: &S) {
    let scope = room();
    committed(s, &scope, "c", "").await;
    prepare(s, &scope, "old", "").await.unwrap();
    prepare(s, &scope, "k", "").await.unwrap();
    let generation = s.attendee.freeze().await.unwrap().generation;
    prepare(s, &scope, "new", "").await.unwrap();
    // The same key, and another snapshot than the one that was told.
    s.snapshots.remove(&scope, "old").await.unwrap();
    prepare(s, &scope, "old", "").await.unwrap();
    commit(s, &scope, "n", "k").await.unwrap();
    remove(s, &scope, generation, &["c", "new", "old", "n"]).await;
    assert_eq!(keys(s, &scope).await, ["n", "new", "old"]);
    let generation = s.attendee.freeze().await.unwrap().generation;
    remove(s, &scope, generation, &["new", "old", "n"]).await;
    assert!(keys(s, &scope).await.is_empty());
}

pub async fn what_has_got_a_child_since_lives(s: &S) {
    let scope = room();
    committed(s, &scope, "c1", "").await;
    committed(s, &scope, "c2", "c1").await;
    let generation = s.attendee.freeze().await.unwrap().generation;
    prepare(s, &scope, "a", "c2").await.unwrap();
    remove(s, &scope, generation, &["c1", "c2"]).await;
    assert_eq!(keys(s, &scope).await, ["a", "c1", "c2"]);
}

pub async fn what_is_gone_already_is_no_failure(s: &S) {
    let scope = room();
    committed(s, &scope, "c1", "").await;
    committed(s, &scope, "c2", "c1").await;
    let generation = s.attendee.freeze().await.unwrap().generation;
    s.snapshots.remove(&scope, "c2").await.unwrap();
    remove(s, &scope, generation, &["c2", "c1", "never-was"]).await;
    assert!(keys(s, &scope).await.is_empty());
}

pub async fn what_was_not_doomed_stays(s: &S) {
    let (here, there) = (room(), room());
    committed(s, &here, "c", "").await;
    committed(s, &there, "c", "").await;
    prepare(s, &here, "a", "").await.unwrap();
    let generation = s.attendee.freeze().await.unwrap().generation;
    remove(s, &here, generation, &["c"]).await;
    assert_eq!(keys(s, &here).await, ["a"]);
    assert_eq!(keys(s, &there).await, ["c"]);
}
