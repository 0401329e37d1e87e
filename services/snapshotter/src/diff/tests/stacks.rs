//! Stacks of an overlay: what is known of them saves work, and changes nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use varve_core::snapshots::Kind;

use super::super::hints::Hints;
use super::super::{Archive, Change, Sides, View, walk};
use super::rules;
use crate::apply::{self, Compression, Limits, Mode, Options};
use crate::drivers::{Driver, Overlayfs, TREE, merged};
use crate::mounting::{detached, mount, open_dir, unmount};

#[path = "../../../tests/kit/changes.rs"]
#[allow(dead_code, reason = "not all of it is for this module")]
mod changes;
#[path = "../../../tests/kit/layer.rs"]
#[allow(dead_code, reason = "not all of it is for this module")]
mod layer;

/// A stack of an overlay that was changed in every way, on top of what it stands on; `None` where no
/// overlay can be mounted.
fn changed(temp: &Path) -> Option<[PathBuf; 2]> {
    if let Err(error) = Overlayfs.check(temp) {
        varve_core::testsuite::skipped(format_args!("no overlay here: {}", error.chain()));
        return None;
    }
    let [lower, upper, shown] = ["lower", "upper", "shown"].map(|name| temp.join(name));
    for dir in [&lower, &lower.join(TREE), &upper, &shown] {
        fs::create_dir(dir).unwrap();
    }
    for (layer, mode) in changes::layers().iter().zip([Mode::Base, Mode::InPlace]) {
        let root = fs::File::open(lower.join(TREE)).unwrap();
        let options = Options::new(mode);
        apply::apply(&layer[..], Compression::None, root.into(), &options).unwrap();
    }
    Overlayfs.create(&upper, Kind::Active, std::slice::from_ref(&lower)).unwrap();
    let mounts = Overlayfs.mounts(&upper, Kind::Active, std::slice::from_ref(&lower));
    mount(&mounts, &shown).unwrap();
    let done = std::panic::catch_unwind(|| changes::change(&shown));
    unmount(&shown).unwrap();
    done.unwrap();
    Some([upper, lower])
}

fn look(stack: &[PathBuf]) -> View {
    let mount = detached(&merged(stack), || unreachable!("of a newer kernel")).unwrap();
    View::new(mount, true, Limits::default())
}

/// What leads from the lower to the whole stack, and the archive of it.
fn made(stack: &[PathBuf; 2], hinted: bool) -> (Vec<Change>, Vec<u8>) {
    let between = || open_dir(rustix::fs::CWD, &stack[0].join(TREE)).unwrap();
    let hints = hinted.then(|| Hints::new(vec![between()]));
    let sides = Sides { lower: Some(look(&stack[1..])), upper: look(stack), hints };
    let mut archive = Archive::new(Vec::new(), sides.upper.again(), rules(), None);
    let mut told = Vec::new();
    let mut see = |change: Change| {
        archive.add(&change)?;
        told.push(change);
        Ok(())
    };
    walk(sides, &rules(), &mut see).unwrap();
    (told, archive.finish().unwrap())
}

#[test]
fn where_to_look_changes_nothing_but_how_long_it_takes() {
    let temp = TempDir::new().unwrap();
    let Some(stack) = changed(temp.path()) else { return };
    let ((hinted, layer), (whole, same)) = (made(&stack, true), made(&stack, false));
    assert!(hinted.len() > 50, "{}", hinted.len());
    let only = |these: &[Change], those: &[Change]| {
        these.iter().filter(|change| !those.contains(change)).cloned().collect::<Vec<_>>()
    };
    let (more, less) = (only(&hinted, &whole), only(&whole, &hinted));
    assert!((&more, &less) == (&vec![], &vec![]), "with hints {more:#?}\nwithout {less:#?}");
    assert!(layer == same, "the same changes make the same layer");
}
