//! What a snapshot changed of its parent, as a list and as a layer.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::SnapshotsSubject;
use super::files::{FIRST, directory, enter, file, first, layer, look, seen};
use super::kit::room;
use super::snapshots::{commit, prepare, view};
use crate::changes::Kind::{Added, Changed, Deleted};
use crate::changes::{self, Changes};
use crate::content::Content;
use crate::diff::{Diff, NewLayer};
use crate::error::{Kind, Result};
use crate::labels;
use crate::mount::Mount;
use crate::oci::{Compression, Descriptor, MediaType};
use crate::scope::Scope;

/// One driver's snapshots, which have trees, and what compares them.
#[derive(Clone)]
pub struct ChangesSubject {
    pub snapshots: SnapshotsSubject,
    pub changes: Arc<dyn Changes>,
    pub diff: Arc<dyn Diff>,
    /// Where layers are left.
    pub content: Arc<dyn Content>,
}

/// The promises of [`Changes`] and of [`Diff::diff`].
#[macro_export]
macro_rules! changes_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            changes_contract,
            changes,
            $fresh,
            [
                changes_are_listed_while_a_snapshot_is_active_and_after,
                without_a_parent_all_that_there_is_was_added,
                a_view_has_changed_nothing,
                what_is_no_snapshot_has_no_changes,
                a_layer_of_two_trees_makes_the_one_of_the_other,
                a_layer_is_in_the_store_with_its_labels_and_its_diff_id,
                the_same_trees_make_the_same_layer,
                only_trees_of_known_snapshots_are_compared,
                a_layer_is_of_a_media_type_of_layers,
            ]
        );
    };
}

type S = ChangesSubject;

/// The snapshot `parent`, and an active one on it, `active`, that was changed: how to mount a view of
/// the one, and the other.
async fn pair(s: &S, scope: &Scope) -> [Vec<Mount>; 2] {
    layer(&s.snapshots, scope, "parent", "", first).await;
    let lower = view(&s.snapshots, scope, "lower", "parent").await.unwrap();
    let upper = prepare(&s.snapshots, scope, "active", "parent").await.unwrap();
    change(enter(&s.snapshots, &upper).path());
    [lower, upper]
}

fn change(root: &Path) {
    file(root, "foo", "another foo");
    fs::remove_dir_all(root.join("a")).unwrap();
    directory(root, "new");
    file(root, "new/file", "new");
}

async fn listed(s: &S, scope: &Scope, key: &str) -> Result<Vec<(changes::Kind, String)>> {
    let mut listing = s.changes.changes(scope, key).await?;
    let mut all = Vec::new();
    loop {
        let changes = listing.next().await?;
        if changes.is_empty() {
            return Ok(all);
        }
        let told = |change: changes::Change| (change.kind, change.path.display().to_string());
        all.extend(changes.into_iter().map(told));
    }
}

async fn made(s: &S, scope: &Scope, [lower, upper]: &[Vec<Mount>; 2]) -> Descriptor {
    s.diff.diff(scope, lower, upper, NewLayer::default()).await.unwrap()
}

pub async fn changes_are_listed_while_a_snapshot_is_active_and_after(s: &S) {
    let scope = room();
    pair(s, &scope).await;
    let want = [(Deleted, "/a"), (Changed, "/foo"), (Added, "/new"), (Added, "/new/file")];
    let want = want.map(|(kind, path)| (kind, path.to_owned()));
    assert_eq!(listed(s, &scope, "active").await.unwrap(), want);
    commit(&s.snapshots, &scope, "done", "active").await.unwrap();
    assert_eq!(listed(s, &scope, "done").await.unwrap(), want);
}

pub async fn without_a_parent_all_that_there_is_was_added(s: &S) {
    let scope = room();
    layer(&s.snapshots, &scope, "lowest", "", first).await;
    let want: Vec<_> = FIRST.iter().map(|(path, _)| (Added, format!("/{path}"))).collect();
    assert_eq!(listed(s, &scope, "lowest").await.unwrap(), want);
}

pub async fn a_view_has_changed_nothing(s: &S) {
    let scope = room();
    pair(s, &scope).await;
    assert_eq!(listed(s, &scope, "lower").await.unwrap(), []);
}

pub async fn what_is_no_snapshot_has_no_changes(s: &S) {
    let scope = room();
    let error = listed(s, &scope, "nothing").await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    pair(s, &scope).await;
    let elsewhere = listed(s, &room(), "active").await.unwrap_err();
    assert_eq!(elsewhere.kind(), Kind::NotFound);
}

pub async fn a_layer_of_two_trees_makes_the_one_of_the_other(s: &S) {
    let scope = room();
    let trees = pair(s, &scope).await;
    let blob = made(s, &scope, &trees).await;
    let again = prepare(&s.snapshots, &scope, "again", "parent").await.unwrap();
    s.diff.apply(&scope, &blob, &again).await.unwrap();
    commit(&s.snapshots, &scope, "done", "again").await.unwrap();
    let want = look(enter(&s.snapshots, &trees[1]).path());
    assert_eq!(seen(&s.snapshots, &scope, "done").await, want);
    assert_eq!(want["foo"], "f 644 another foo");
}

pub async fn a_layer_is_in_the_store_with_its_labels_and_its_diff_id(s: &S) {
    let scope = room();
    let [lower, upper] = pair(s, &scope).await;
    let layer = |compression| NewLayer {
        media_type: MediaType::OciLayer(compression),
        labels: [("note".to_owned(), "mine".to_owned())].into(),
        ..NewLayer::default()
    };
    let plain = s.diff.diff(&scope, &lower, &upper, layer(Compression::None)).await.unwrap();
    for compression in [Compression::Gzip, Compression::Zstd] {
        let blob = s.diff.diff(&scope, &lower, &upper, layer(compression)).await.unwrap();
        let info = s.content.info(&scope, &blob.digest).await.unwrap();
        assert_eq!(blob.media_type, MediaType::OciLayer(compression));
        assert_eq!((info.size, info.labels["note"].as_str()), (blob.size, "mine"));
        assert_eq!(info.labels[labels::UNCOMPRESSED], plain.digest.to_string());
    }
}

pub async fn the_same_trees_make_the_same_layer(s: &S) {
    let scope = room();
    let trees = pair(s, &scope).await;
    assert_eq!(made(s, &scope, &trees).await, made(s, &scope, &trees).await);
}

pub async fn only_trees_of_known_snapshots_are_compared(s: &S) {
    let scope = room();
    let [lower, upper] = pair(s, &scope).await;
    let host = vec![Mount::bind("/", "ro")];
    for (scope, lower, upper) in
        [(&scope, &lower, &host), (&scope, &host, &upper), (&room(), &lower, &upper)]
    {
        let refused = s.diff.diff(scope, lower, upper, NewLayer::default()).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::InvalidArgument, "{refused}");
    }
}

pub async fn a_layer_is_of_a_media_type_of_layers(s: &S) {
    let scope = room();
    let [lower, upper] = pair(s, &scope).await;
    let text = NewLayer { media_type: "text/plain".into(), ..NewLayer::default() };
    let refused = s.diff.diff(&scope, &lower, &upper, text).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unimplemented);
}
