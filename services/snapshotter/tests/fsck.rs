//! Trees beside their layers: an odd one is sound, and whatever is done to one is found and undone.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::fs::{self, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kit::Room;
use kit::odd::{base, layers_of, odd};
use varve_core::fsck::{Compared, Fault};
use varve_core::unpack::{Layer, Progress};
use varve_core::{ChainId, Kind, Result};

async fn compare(room: &Room, layer: &Layer, repair: bool) -> Result<Compared> {
    let trees = &room.service.trees;
    trees.compare(&room.scope, layer.clone(), repair, Progress::ignored()).await
}

/// The layers of archives that were unpacked one on the other.
fn described(tars: &[Vec<u8>], chain: &[ChainId]) -> Vec<Layer> {
    let parents = std::iter::once(None).chain(chain.iter().copied().map(Some));
    tars.iter().zip(parents).map(|(tar, parent)| kit::describe(tar, parent)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_is_sound_however_odd_its_layer_is() {
    for driver in ["overlayfs", "native"] {
        let Some(room) = kit::room(driver).await else { continue };
        for (what, odd) in odd() {
            let tars = layers_of(&odd);
            // What is refused has no tree.
            let Ok(chain) = room.stack_at_once(&tars).await else { continue };
            for layer in described(&tars, &chain) {
                let compared = compare(&room, &layer, true).await.unwrap();
                assert_eq!(compared, Compared::default(), "{what}, {driver}");
            }
        }
        room.tidy().await;
        assert!(room.service.trees.examine(true).await.unwrap().is_empty());
    }
}

/// The raw tree of the lowest layer.
fn tree(room: &Room) -> PathBuf {
    let place = room.temp.path().join("root/snapshots");
    let number = room.names("snapshots").iter().map(|name| name.parse::<u64>().unwrap()).min();
    place.join(number.unwrap().to_string()).join("fs")
}

fn below(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            below(&path, all);
        }
        all.push(path);
    }
}

type Harm = fn(&Path) -> bool;

/// Each says whether it can be done to a path.
const HARMS: [(&str, Harm); 6] = [
    ("removed", |path| match path.is_dir() && !path.is_symlink() {
        true => fs::remove_dir_all(path).is_ok(),
        false => fs::remove_file(path).is_ok(),
    }),
    ("its mode", |path| {
        let Ok(facts) = fs::symlink_metadata(path) else { return false };
        let mode = Permissions::from_mode(facts.permissions().mode() ^ 0o010);
        !facts.is_symlink() && fs::set_permissions(path, mode).is_ok()
    }),
    ("its time", |path| {
        let plain = fs::symlink_metadata(path).is_ok_and(|it| it.is_file() || it.is_dir());
        let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
        plain && fs::File::open(path).and_then(|file| file.set_times(times)).is_ok()
    }),
    ("its bytes", |path| {
        let Ok(facts) = fs::symlink_metadata(path) else { return false };
        if !facts.is_file() || facts.len() == 0 {
            return false;
        }
        let bytes = fs::read(path).unwrap().iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
        fs::write(path, bytes).unwrap();
        let times = FileTimes::new().set_modified(facts.modified().unwrap());
        fs::File::open(path).and_then(|file| file.set_times(times)).is_ok()
    }),
    ("an attribute", |path| {
        let plain = fs::symlink_metadata(path).is_ok_and(|it| it.is_file() || it.is_dir());
        let set = || rustix::fs::setxattr(path, "user.harm", b"1", rustix::fs::XattrFlags::empty());
        plain && set().is_ok()
    }),
    ("something more", |path| {
        path.is_dir() && !path.is_symlink() && fs::write(path.join("more"), "x").is_ok()
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_to_a_tree_is_found_and_undone() {
    for driver in ["overlayfs", "native"] {
        let Some(room) = kit::room(driver).await else { continue };
        let tars = [base().finish()];
        let chain = room.stack(&tars).await.unwrap();
        let layer = &described(&tars, &chain)[0];
        let before = room.tree(chain[0]).await;
        let (tree, mut paths) = (tree(&room), Vec::new());
        below(&tree, &mut paths);
        paths.push(tree.clone());
        let mut harms = 0;
        for path in &paths {
            for (what, harm) in HARMS {
                // That nobody described the root, nobody can know the time of.
                if path == &tree && matches!(what, "removed" | "its time") || !harm(path) {
                    continue;
                }
                harms += 1;
                let found = compare(&room, layer, false).await.unwrap();
                assert!(!found.differences.is_empty() && !found.repaired, "{what} of {path:?}");
                assert!(compare(&room, layer, true).await.unwrap().repaired);
                let left = compare(&room, layer, false).await.unwrap();
                assert_eq!(left, Compared::default(), "{what} of {path:?}");
            }
        }
        assert!(harms > 60, "{harms}");
        assert_eq!(room.tree(chain[0]).await, before);
        room.tidy().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_that_is_gone_comes_again_below_those_that_stand_on_it() {
    for driver in ["overlayfs", "native"] {
        let Some(room) = kit::room(driver).await else { continue };
        let tars = [base().finish(), odd()[1].1[0].clone()];
        let chain = room.stack(&tars).await.unwrap();
        let before = room.tree(chain[1]).await;
        let place = tree(&room).parent().unwrap().to_owned();
        fs::remove_dir_all(&place).unwrap();
        let found = room.service.trees.examine(true).await.unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.fault, it.noun.clone())).collect();
        assert_eq!(found, [(Fault::NoTree, chain[0].to_string())]);
        for layer in described(&tars, &chain) {
            compare(&room, &layer, true).await.unwrap();
        }
        assert!(room.service.trees.examine(false).await.unwrap().is_empty());
        assert_eq!(room.tree(chain[1]).await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_without_a_record_goes_and_one_that_is_being_made_stays() {
    let room = kit::room("native").await.unwrap();
    let chain = room.stack(&[base().finish()]).await.unwrap();
    fs::create_dir_all(room.temp.path().join("root/snapshots/4711/fs")).unwrap();
    let (trees, snapshots) = (room.service.trees.clone(), room.service.snapshots.clone());
    let scope = room.scope.clone();
    let making = tokio::spawn(async move {
        for n in 0..100 {
            let (key, parent) = (format!("busy-{n}"), Some(chain[0].to_string()));
            let labels = varve_core::Labels::new();
            let new = varve_core::snapshots::NewSnapshot { key: key.clone(), parent, labels };
            snapshots.prepare(&scope, new).await.unwrap();
            snapshots.remove(&scope, &key).await.unwrap();
        }
    });
    let mut found = Vec::new();
    while !making.is_finished() {
        found.extend(trees.examine(true).await.unwrap());
    }
    making.await.unwrap();
    let found: Vec<_> = found.iter().map(|it| (it.fault, it.done.clone())).collect();
    assert_eq!(found, [(Fault::Orphan, Some("removed".to_owned()))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_made_from_a_layer_cannot_be_compared_with_one() {
    let room = kit::room("native").await.unwrap();
    let tar = base().finish();
    room.put(&tar).await;
    let layer = kit::describe(&tar, None);
    let absent = compare(&room, &layer, true).await.unwrap_err();
    assert_eq!(absent.kind(), Kind::NotFound);
    room.prepare("own", None).await;
    let (name, labels) = (layer.chain_id().to_string(), varve_core::Labels::new());
    room.service.snapshots.commit(&room.scope, &name, "own", &labels).await.unwrap();
    let own = compare(&room, &layer, true).await.unwrap_err();
    assert_eq!(own.kind(), Kind::FailedPrecondition, "{}", own.chain());
}
