//! The archive of a comparison: its members, and what it refuses to open or to remember.

use std::fs;
use std::path::Path;

use super::super::{Archive, DiffError, TreePath, walk};
use super::{Trees, rules, view, write};

/// The names of the members that lead from the lower tree to the upper one.
fn members(trees: &Trees) -> Vec<String> {
    let sides = trees.sides();
    let mut archive = Archive::new(Vec::new(), sides.upper.again(), rules(), None);
    walk(sides, &rules(), &mut |change| archive.add(&change)).unwrap();
    let bytes = archive.finish().unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let name = |entry: tar::Entry<'_, _>| String::from_utf8(entry.path_bytes().into()).unwrap();
    archive.entries().unwrap().map(|entry| name(entry.unwrap())).collect()
}

#[test]
fn a_directory_is_told_before_what_is_in_it_and_once_more_for_other_names_of_files() {
    let below = |root: &Path| {
        for name in ["d/e/a", "d/e/b"] {
            write(root, name, "x");
        }
    };
    let trees = Trees::new(below, |root| {
        below(root);
        write(root, "d/f/new", "");
        fs::create_dir(root.join("z")).unwrap();
        for name in ["a", "b"] {
            fs::hard_link(root.join("d/e").join(name), root.join("z").join(name)).unwrap();
        }
    });
    let want = ["d/", "d/f/", "d/f/new", "z/", "z/a", "d/", "d/e/", "d/e/a", "z/b", "d/e/b"];
    assert_eq!(members(&trees), want);
}

#[test]
fn what_a_file_was_exchanged_for_is_not_opened() {
    let trees = Trees::new(|_| {}, |root| write(root, "f", "x"));
    let upper = trees.temp.path().join("upper");
    let path = TreePath::root().join(b"f");
    let mut tree = view(&upper);
    let node = tree.node(&path).unwrap().unwrap();
    fs::remove_file(upper.join("f")).unwrap();
    let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, upper.join("f"), fifo, mode, 0).unwrap();
    // To open it would be to wait for somebody who writes to it.
    assert!(matches!(tree.open(&path, &node), Err(DiffError::Moved(_))));
    fs::remove_file(upper.join("f")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", upper.join("f")).unwrap();
    assert!(matches!(tree.open(&path, &node), Err(DiffError::Moved(_))));
}

#[test]
fn a_file_that_is_written_while_it_is_told_is_an_error() {
    let trees = Trees::new(|_| {}, |root| write(root, "f", &"x".repeat(4 << 20)));
    let file = trees.temp.path().join("upper/f");
    let sides = trees.sides();
    let out = Meanwhile(|| fs::write(&file, "y".repeat(4 << 20)).unwrap());
    let mut archive = Archive::new(out, sides.upper.again(), rules(), None);
    let told = walk(sides, &rules(), &mut |change| archive.add(&change));
    assert!(matches!(told, Err(DiffError::Moved(_))), "{told:?}");
}

/// Does something whenever bytes are written, and throws them away.
struct Meanwhile<F>(F);

impl<F: FnMut()> std::io::Write for Meanwhile<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        (self.0)();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn more_names_at_once_than_a_layer_may_have_are_too_many() {
    let trees = Trees::new(|_| {}, |root| (0..20).for_each(|n| write(root, &format!("{n}"), "")));
    let compare = |entries| {
        let mut rules = rules();
        rules.limits.entries = entries;
        walk(trees.sides(), &rules, &mut |_| Ok(()))
    };
    compare(20).unwrap();
    assert!(matches!(compare(19), Err(DiffError::Limit { .. })));
}
