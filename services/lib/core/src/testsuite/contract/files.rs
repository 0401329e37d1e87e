//! How stories about trees are told: a layer made by an edit, and what a view of it shows.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::SnapshotsSubject as S;
use super::snapshots::{commit, prepare, view};
use super::tree::Tree;
use crate::mount::Mount;
use crate::scope::Scope;

/// What there is at each path: type, mode, and content or target.
pub(super) type Look = BTreeMap<String, String>;

pub(super) fn enter(s: &S, mounts: &[Mount]) -> Tree {
    let reach = s.reach.as_ref().expect("the subject of a contract of trees has a reach");
    reach(mounts).expect("what a snapshotter answers can be mounted")
}

/// The committed snapshot `name`: its parent, changed by `edit`.
pub(super) async fn layer(
    s: &S,
    scope: &Scope,
    name: &str,
    parent: &str,
    edit: impl FnOnce(&Path),
) {
    let key = format!("{name}-in-the-making");
    let mounts = prepare(s, scope, &key, parent).await.unwrap();
    let tree = enter(s, &mounts);
    edit(tree.path());
    drop(tree);
    commit(s, scope, name, &key).await.unwrap();
}

/// What a view of `parent` shows.
pub(super) async fn seen(s: &S, scope: &Scope, parent: &str) -> Look {
    let mounts = view(s, scope, "looking", parent).await.unwrap();
    let tree = enter(s, &mounts);
    let look = look(tree.path());
    drop(tree);
    s.snapshots.remove(scope, "looking").await.unwrap();
    look
}

pub(super) fn look(root: &Path) -> Look {
    let mut all = Look::new();
    walk(root, root, &mut all);
    all
}

fn walk(root: &Path, directory: &Path, all: &mut Look) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let mode = meta.mode() & 0o7777;
        let text = match meta.file_type() {
            kind if kind.is_dir() => format!("d {mode:o}"),
            kind if kind.is_symlink() => format!("l {}", fs::read_link(&path).unwrap().display()),
            _ => format!("f {mode:o} {}", fs::read_to_string(&path).unwrap()),
        };
        let name = path.strip_prefix(root).unwrap().display().to_string();
        all.insert(name, text);
        if meta.is_dir() {
            walk(root, &path, all);
        }
    }
}

pub(super) fn looks(entries: &[(&str, &str)]) -> Look {
    entries.iter().map(|(path, what)| (path.to_string(), what.to_string())).collect()
}

pub(super) fn file(root: &Path, path: &str, content: &str) {
    fs::write(root.join(path), content).unwrap();
    mode(root, path, 0o644);
}

pub(super) fn directory(root: &Path, path: &str) {
    fs::create_dir(root.join(path)).unwrap();
    mode(root, path, 0o755);
}

pub(super) fn mode(root: &Path, path: &str, mode: u32) {
    fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
}

/// What most stories begin with.
pub(super) fn first(root: &Path) {
    file(root, "foo", "foo");
    for path in ["a", "a/b", "a/b/c", "etc"] {
        directory(root, path);
    }
    file(root, "a/b/c/deep", "deep");
    file(root, "etc/hosts", "hosts");
    std::os::unix::fs::symlink("etc/hosts", root.join("link")).unwrap();
}

pub(super) const FIRST: [(&str, &str); 8] = [
    ("a", "d 755"),
    ("a/b", "d 755"),
    ("a/b/c", "d 755"),
    ("a/b/c/deep", "f 644 deep"),
    ("etc", "d 755"),
    ("etc/hosts", "f 644 hosts"),
    ("foo", "f 644 foo"),
    ("link", "l etc/hosts"),
];
