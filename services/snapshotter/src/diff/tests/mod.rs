//! The comparison alone, on directories: what it tells, in which order, and when it gives up. That a
//! layer makes the tree again is tested through the service (`tests/diff.rs`).

mod archive;
mod stacks;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;
use varve_core::Mount;

use super::{Change, DiffError, Kind, Rules, Sides, View, walk};
use crate::apply::{Cancel, Limits};
use crate::mounting::detached;

fn rules() -> Rules {
    Rules { limits: Limits::default(), cancel: Cancel::default() }
}

fn view(dir: &Path) -> View {
    let mounts = [Mount::bind(dir.to_str().unwrap(), "ro")];
    let mount = detached(&mounts, || unreachable!("a bind needs none")).unwrap();
    View::new(mount, false, Limits::default())
}

/// A lower and an upper tree, with the same times wherever both have a file.
struct Trees {
    temp: TempDir,
}

impl Trees {
    fn new(lower: impl Fn(&Path), upper: impl Fn(&Path)) -> Self {
        let trees = Self { temp: TempDir::new().unwrap() };
        for (name, make) in [("lower", &lower as &dyn Fn(&Path)), ("upper", &upper)] {
            let root = trees.temp.path().join(name);
            fs::create_dir(&root).unwrap();
            make(&root);
            still(&root);
        }
        trees
    }

    fn sides(&self) -> Sides {
        let at = |name: &str| view(&self.temp.path().join(name));
        Sides { lower: Some(at("lower")), upper: at("upper"), hints: None }
    }

    /// As a lister would print it.
    fn list(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut see = |change: Change| {
            let kind = match change.kind {
                Kind::Added => 'A',
                Kind::Changed => 'C',
                Kind::Deleted => 'D',
            };
            lines.push(format!("{kind} /{}", change.path.as_path().display()));
            Ok(())
        };
        walk(self.sides(), &rules(), &mut see).unwrap();
        lines
    }
}

/// Sets all times to one.
fn still(path: &Path) {
    let meta = path.symlink_metadata().unwrap();
    if meta.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| still(&entry.unwrap().path()));
    }
    let time = rustix::fs::Timespec { tv_sec: 5, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
}

fn write(root: &Path, name: &str, body: &str) {
    fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
    fs::write(root.join(name), body).unwrap();
}

#[test]
fn changes_are_told_in_the_order_of_their_names_bytes_and_directories_first() {
    let trees = Trees::new(
        |root| {
            write(root, "b/gone", "");
            write(root, "b/kept", "");
            write(root, "goes/with/all", "");
            write(root, "z", "before");
        },
        |root| {
            write(root, "b/kept", "");
            write(root, "b.", "a dot comes before the slash, and after the directory's own name");
            write(root, "new/dir/file", "");
            write(root, "z", "after!");
        },
    );
    let want = ["D /b/gone", "A /b.", "D /goes", "A /new", "A /new/dir", "A /new/dir/file", "C /z"];
    assert_eq!(trees.list(), want);
}

#[test]
fn a_file_of_the_same_size_and_time_is_read() {
    let half = "x".repeat(200_000);
    let trees = Trees::new(
        |root| {
            write(root, "same", &half);
            write(root, "last-byte", &format!("{half}a"));
        },
        |root| {
            write(root, "same", &half);
            write(root, "last-byte", &format!("{half}b"));
        },
    );
    assert_eq!(trees.list(), ["C /last-byte"]);
}

#[test]
fn a_path_of_another_type_is_one_change_and_what_was_in_it_none() {
    let trees = Trees::new(
        |root| {
            write(root, "dir/inner", "");
            write(root, "file", "");
            symlink("a", root.join("link")).unwrap();
        },
        |root| {
            write(root, "dir", "");
            write(root, "file/inner", "");
            symlink("b", root.join("link")).unwrap();
        },
    );
    assert_eq!(trees.list(), ["C /dir", "C /file", "A /file/inner", "C /link"]);
}

#[test]
fn names_of_one_file_are_told_together_or_not_at_all() {
    let pair = |root: &Path, first: &str, second: &str| {
        write(root, first, "x");
        fs::hard_link(root.join(first), root.join(second)).unwrap();
    };
    let trees = Trees::new(
        |root| {
            pair(root, "a", "kept");
            pair(root, "parted-1", "parted-2");
            write(root, "joined-1", "x");
            write(root, "joined-2", "x");
        },
        |root| {
            pair(root, "a", "kept");
            fs::hard_link(root.join("a"), root.join("more")).unwrap();
            write(root, "parted-1", "x");
            write(root, "parted-2", "x");
            pair(root, "joined-1", "joined-2");
        },
    );
    let want = ["C /joined-2", "C /joined-1", "A /more", "C /a", "C /kept", "C /parted-2"];
    assert_eq!(trees.list(), want);
}

#[test]
fn sockets_and_devices_that_hide_are_nothing() {
    let trees = Trees::new(
        |root| write(root, "gone", ""),
        |root| {
            drop(std::os::unix::net::UnixListener::bind(root.join("gone")).unwrap());
            drop(std::os::unix::net::UnixListener::bind(root.join("new")).unwrap());
        },
    );
    assert_eq!(trees.list(), ["D /gone"]);
}

#[test]
fn a_comparison_that_is_cancelled_ends() {
    let trees = Trees::new(|root| write(root, "a", ""), |root| write(root, "b", ""));
    let rules = rules();
    rules.cancel.cancel();
    let ended = walk(trees.sides(), &rules, &mut |_| Ok(()));
    assert!(matches!(ended, Err(DiffError::Cancelled)));
}

#[test]
fn a_tree_that_changes_while_it_is_told_is_an_error_and_no_layer() {
    let trees = Trees::new(|_| {}, |root| write(root, "dir/file", ""));
    let upper = trees.temp.path().join("upper");
    let ended = walk(trees.sides(), &rules(), &mut |change| {
        if change.path.name() == "dir" {
            fs::remove_dir_all(upper.join("dir")).unwrap();
            symlink("/etc", upper.join("dir")).unwrap();
        }
        Ok(())
    });
    assert!(matches!(ended, Err(DiffError::Moved(_))), "{ended:?}");
}
