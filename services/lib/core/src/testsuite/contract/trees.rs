//! The trees of snapshots: copy-on-write, as whoever mounts them sees it.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use super::SnapshotsSubject;
use super::files::{FIRST, Look, directory, enter, file, first, layer, look, looks, mode, seen};
use super::kit::{blob, room};
use super::snapshots::{commit, prepare, view};
use crate::snapshots::Usage;

/// The promises of [`crate::snapshots::Snapshots`] about files. The subject needs a `reach`.
#[macro_export]
macro_rules! trees_contract {
    ($fresh:expr) => {
        $crate::contract_tests!(
            trees_contract,
            trees,
            $fresh,
            [
                a_child_begins_as_its_parent_and_changes_as_it_is_changed,
                a_parent_is_never_changed_by_its_children,
                siblings_do_not_see_each_other,
                what_was_removed_stays_removed,
                a_directory_made_anew_shows_nothing_of_the_one_below,
                a_moved_file_is_only_where_it_was_moved_to,
                modes_are_kept_from_layer_to_layer,
                owners_are_kept_from_layer_to_layer,
                a_root_can_be_entered_by_everybody,
                a_view_cannot_be_written,
                mounts_asked_for_again_show_the_same_tree,
                many_layers_can_be_mounted,
                what_was_written_is_what_it_costs,
            ]
        );
    };
}

type S = SnapshotsSubject;
pub async fn a_child_begins_as_its_parent_and_changes_as_it_is_changed(s: &S) {
    let scope = room();
    layer(s, &scope, "c1", "", first).await;
    layer(s, &scope, "c2", "c1", |root| {
        assert_eq!(look(root), looks(&FIRST));
        file(root, "bar", "bar");
        file(root, "foo", "another foo");
        fs::remove_dir_all(root.join("a/b")).unwrap();
        file(root, "etc/profile", "profile");
        fs::remove_file(root.join("link")).unwrap();
    })
    .await;
    let wanted = [
        ("a", "d 755"),
        ("bar", "f 644 bar"),
        ("etc", "d 755"),
        ("etc/hosts", "f 644 hosts"),
        ("etc/profile", "f 644 profile"),
        ("foo", "f 644 another foo"),
    ];
    assert_eq!(seen(s, &scope, "c2").await, looks(&wanted));
    layer(s, &scope, "c3", "c2", |root| assert_eq!(look(root), looks(&wanted))).await;
}

pub async fn a_parent_is_never_changed_by_its_children(s: &S) {
    let scope = room();
    layer(s, &scope, "c1", "", first).await;
    layer(s, &scope, "c2", "c1", |root| {
        file(root, "foo", "changed");
        mode(root, "etc/hosts", 0o600);
        fs::remove_dir_all(root.join("a")).unwrap();
        fs::rename(root.join("link"), root.join("moved")).unwrap();
    })
    .await;
    assert_eq!(seen(s, &scope, "c1").await, looks(&FIRST));
    assert_ne!(seen(s, &scope, "c2").await, looks(&FIRST));
}

pub async fn siblings_do_not_see_each_other(s: &S) {
    let scope = room();
    layer(s, &scope, "c", "", |root| file(root, "f", "c")).await;
    let one = enter(s, &prepare(s, &scope, "one", "c").await.unwrap());
    let two = enter(s, &prepare(s, &scope, "two", "c").await.unwrap());
    file(one.path(), "f", "one");
    file(two.path(), "g", "two");
    assert_eq!(look(one.path()), looks(&[("f", "f 644 one")]));
    assert_eq!(look(two.path()), looks(&[("f", "f 644 c"), ("g", "f 644 two")]));
    drop((one, two));
    commit(s, &scope, "c-one", "one").await.unwrap();
    commit(s, &scope, "c-two", "two").await.unwrap();
    assert_eq!(seen(s, &scope, "c-one").await, looks(&[("f", "f 644 one")]));
    assert_eq!(seen(s, &scope, "c").await, looks(&[("f", "f 644 c")]));
}

pub async fn what_was_removed_stays_removed(s: &S) {
    let scope = room();
    layer(s, &scope, "c1", "", first).await;
    layer(s, &scope, "c2", "c1", |root| {
        fs::remove_file(root.join("foo")).unwrap();
        fs::remove_file(root.join("etc/hosts")).unwrap();
        fs::remove_dir_all(root.join("a")).unwrap();
    })
    .await;
    layer(s, &scope, "c3", "c2", |_| ()).await;
    layer(s, &scope, "c4", "c3", |root| file(root, "new", "1")).await;
    let wanted = [("etc", "d 755"), ("link", "l etc/hosts"), ("new", "f 644 1")];
    assert_eq!(seen(s, &scope, "c4").await, looks(&wanted));
}

pub async fn a_directory_made_anew_shows_nothing_of_the_one_below(s: &S) {
    let scope = room();
    layer(s, &scope, "c1", "", first).await;
    layer(s, &scope, "c2", "c1", |root| {
        fs::remove_dir_all(root.join("a")).unwrap();
        directory(root, "a");
        file(root, "a/only", "me");
        fs::remove_file(root.join("foo")).unwrap();
        directory(root, "foo");
        fs::remove_dir_all(root.join("etc")).unwrap();
        file(root, "etc", "a file now");
    })
    .await;
    let wanted = [
        ("a", "d 755"),
        ("a/only", "f 644 me"),
        ("etc", "f 644 a file now"),
        ("foo", "d 755"),
        ("link", "l etc/hosts"),
    ];
    assert_eq!(seen(s, &scope, "c2").await, looks(&wanted));
}

pub async fn a_moved_file_is_only_where_it_was_moved_to(s: &S) {
    let scope = room();
    layer(s, &scope, "c1", "", |root| {
        for path in ["dir1", "dir2"] {
            directory(root, path);
        }
        file(root, "dir1/f1", "one");
        file(root, "dir2/f2", "two");
    })
    .await;
    layer(s, &scope, "c2", "c1", |root| {
        directory(root, "dir3");
        fs::rename(root.join("dir1/f1"), root.join("dir3/f1")).unwrap();
        fs::remove_dir(root.join("dir1")).unwrap();
        fs::hard_link(root.join("dir2/f2"), root.join("dir3/f2")).unwrap();
        fs::remove_file(root.join("dir2/f2")).unwrap();
    })
    .await;
    let wanted =
        [("dir2", "d 755"), ("dir3", "d 755"), ("dir3/f1", "f 644 one"), ("dir3/f2", "f 644 two")];
    assert_eq!(seen(s, &scope, "c2").await, looks(&wanted));
}

pub async fn modes_are_kept_from_layer_to_layer(s: &S) {
    let scope = room();
    layer(s, &scope, "c1", "", |root| {
        directory(root, "d");
        mode(root, "d", 0o1777);
        file(root, "d/f", "f");
        mode(root, "d/f", 0o4755);
    })
    .await;
    layer(s, &scope, "c2", "c1", |root| mode(root, "d", 0o2750)).await;
    layer(s, &scope, "c3", "c2", |root| file(root, "d/g", "g")).await;
    let low = [("d", "d 1777"), ("d/f", "f 4755 f")];
    assert_eq!(seen(s, &scope, "c1").await, looks(&low));
    let top = [("d", "d 2750"), ("d/f", "f 4755 f"), ("d/g", "f 644 g")];
    assert_eq!(seen(s, &scope, "c3").await, looks(&top));
}

pub async fn owners_are_kept_from_layer_to_layer(s: &S) {
    let scope = room();
    let owner = |root: &Path, path: &str| {
        let meta = fs::symlink_metadata(root.join(path)).unwrap();
        (meta.uid(), meta.gid())
    };
    let mut may = true;
    layer(s, &scope, "c1", "", |root| {
        directory(root, "d");
        file(root, "d/f", "f");
        may = chown(root.join("d"), Some(1), Some(2)).is_ok();
    })
    .await;
    if !may {
        crate::testsuite::skipped("only root can give files away");
        return;
    }
    layer(s, &scope, "c2", "c1", |root| {
        assert_eq!((owner(root, "d"), owner(root, "d/f")), ((1, 2), (0, 0)));
        chown(root.join("d/f"), Some(3), Some(4)).unwrap();
    })
    .await;
    layer(s, &scope, "c3", "c2", |root| {
        assert_eq!((owner(root, "d"), owner(root, "d/f")), ((1, 2), (3, 4)));
    })
    .await;
}

pub async fn a_root_can_be_entered_by_everybody(s: &S) {
    let scope = room();
    let tree = enter(s, &prepare(s, &scope, "a", "").await.unwrap());
    assert_eq!(fs::metadata(tree.path()).unwrap().mode() & 0o7777, 0o755);
    drop(tree);
    commit(s, &scope, "c", "a").await.unwrap();
    let tree = enter(s, &view(s, &scope, "v", "c").await.unwrap());
    assert_eq!(fs::metadata(tree.path()).unwrap().mode() & 0o7777, 0o755);
}

pub async fn a_view_cannot_be_written(s: &S) {
    // Reached in place, without a mount, nothing keeps a view from being written.
    if !s.views_are_read_only {
        return;
    }
    let scope = room();
    layer(s, &scope, "c1", "", first).await;
    layer(s, &scope, "c2", "c1", |root| file(root, "bar", "bar")).await;
    for parent in ["", "c1", "c2"] {
        let mounts = view(s, &scope, &format!("view of {parent}"), parent).await.unwrap();
        let tree = enter(s, &mounts);
        assert!(fs::write(tree.path().join("new"), "x").is_err(), "{parent}");
        assert!(fs::write(tree.path().join("foo"), "x").is_err(), "{parent}");
    }
    assert_eq!(seen(s, &scope, "c1").await, looks(&FIRST));
}

pub async fn mounts_asked_for_again_show_the_same_tree(s: &S) {
    let scope = room();
    layer(s, &scope, "c", "", first).await;
    let tree = enter(s, &prepare(s, &scope, "a", "c").await.unwrap());
    file(tree.path(), "mine", "1");
    let before = look(tree.path());
    drop(tree);
    let tree = enter(s, &s.snapshots.mounts(&scope, "a").await.unwrap());
    assert_eq!(look(tree.path()), before);
}

/// As many layers as an image of Docker's can have, and one.
const MANY: usize = 128;

pub async fn many_layers_can_be_mounted(s: &S) {
    let scope = room();
    let (mut parent, mut wanted) = (String::new(), Look::new());
    wanted.insert("here".into(), "d 755".into());
    wanted.insert("only".into(), "d 755".into());
    for number in 0..MANY {
        let name = format!("c{number}");
        layer(s, &scope, &name, &parent, |root| {
            if number == 0 {
                directory(root, "here");
            } else {
                fs::remove_dir_all(root.join("only")).unwrap();
            }
            directory(root, "only");
            file(root, &format!("only/{number}"), "me");
            file(root, &format!("here/{number}"), "too");
            file(root, "again", &number.to_string());
        })
        .await;
        wanted.insert(format!("here/{number}"), "f 644 too".into());
        parent = name;
    }
    wanted.insert(format!("only/{}", MANY - 1), "f 644 me".into());
    wanted.insert("again".into(), format!("f 644 {}", MANY - 1));
    assert_eq!(seen(s, &scope, &parent).await, wanted);
}

pub async fn what_was_written_is_what_it_costs(s: &S) {
    const SIZE: usize = 1 << 20;
    let (scope, (bytes, _)) = (room(), blob(SIZE));
    let usage = async |key: &str| -> Usage { s.snapshots.usage(&scope, key).await.unwrap() };
    let tree = enter(s, &prepare(s, &scope, "a", "").await.unwrap());
    let empty = usage("a").await;
    fs::write(tree.path().join("one"), &bytes).unwrap();
    fs::hard_link(tree.path().join("one"), tree.path().join("two")).unwrap();
    let written = usage("a").await;
    let grown = written.size - empty.size;
    assert!((SIZE as u64..SIZE as u64 * 2).contains(&grown), "{empty:?} {written:?}");
    assert_eq!(written.inodes, empty.inodes + 1);
    drop(tree);
    commit(s, &scope, "c", "a").await.unwrap();
    let committed = usage("c").await;
    assert_eq!(committed, written);

    let mounts = prepare(s, &scope, "child", "c").await.unwrap();
    let tree = enter(s, &mounts);
    file(tree.path(), "small", "x");
    if mounts[0].kind == "overlay" {
        assert!(usage("child").await.size < SIZE as u64, "its parent is counted with it");
    }
    assert_eq!(usage("c").await, committed);
}
