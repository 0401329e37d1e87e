//! Trees changed at random, on both drivers: the layer that is made of the change makes it again.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use kit::{Room, changes, seen, tree};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use varve_core::diff::NewLayer;
use varve_core::snapshots::NewSnapshot;
use varve_core::{Mount, Result};

/// One thing that a container does; the numbers choose among few names, so that they meet. What
/// cannot be done is not done.
#[derive(Debug, Clone)]
enum Act {
    Dir(String, u32),
    File(String, u8, u64),
    Symlink(String, String),
    Link(String, String),
    Fifo(String),
    Rename(String, String),
    Mode(String, u32),
    Remove(String),
    /// Another content, the same length and time.
    Forge(String),
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|p| p.join("/"))
}

fn act() -> impl Strategy<Value = Act> {
    let mode = || prop::sample::select(vec![0o755, 0o700, 0o1777, 0o4711]);
    prop_oneof![
        4 => (name(), mode()).prop_map(|(name, mode)| Act::Dir(name, mode)),
        5 => (name(), 0..3u8, 0..3u64).prop_map(|(name, body, time)| Act::File(name, body, time)),
        2 => (name(), name()).prop_map(|(name, target)| Act::Symlink(name, target)),
        4 => (name(), name()).prop_map(|(name, target)| Act::Link(name, target)),
        1 => name().prop_map(Act::Fifo),
        3 => (name(), name()).prop_map(|(from, to)| Act::Rename(from, to)),
        2 => (name(), mode()).prop_map(|(name, mode)| Act::Mode(name, mode)),
        4 => name().prop_map(Act::Remove),
        1 => name().prop_map(Act::Forge),
    ]
}

fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    prop::collection::vec(act(), 1..most)
}

fn perform(root: &Path, acts: &[Act]) {
    for act in acts {
        let _ = perform_one(root, act);
    }
}

fn perform_one(root: &Path, act: &Act) -> std::io::Result<()> {
    let at = |name: &String| root.join(name);
    let kind = |path: &Path| path.symlink_metadata().map(|meta| meta.file_type());
    let file = |path: std::path::PathBuf| match kind(&path)?.is_file() {
        true => Ok(path),
        // A link would be followed, and a fifo waited for.
        false => Err(std::io::Error::other("no file")),
    };
    match act {
        Act::Dir(name, mode) => {
            fs::create_dir(at(name))?;
            fs::set_permissions(at(name), PermissionsExt::from_mode(*mode))
        }
        Act::File(name, body, time) => {
            // In place where there is one, so that its other names see it.
            let path = file(at(name)).or_else(|_| {
                fs::File::create_new(at(name))?;
                file(at(name))
            })?;
            fs::write(&path, vec![*body; 3])?;
            changes::set_time(&path, UNIX_EPOCH + Duration::from_secs(*time));
            Ok(())
        }
        Act::Symlink(name, target) => symlink(target, at(name)),
        Act::Link(name, target) => fs::hard_link(at(target), at(name)),
        Act::Fifo(name) => {
            let mode = rustix::fs::Mode::RUSR;
            let kind = rustix::fs::FileType::Fifo;
            Ok(rustix::fs::mknodat(rustix::fs::CWD, at(name), kind, mode, 0)?)
        }
        Act::Rename(from, to) => fs::rename(at(from), at(to)),
        Act::Mode(name, _) if kind(&at(name))?.is_symlink() => Ok(()),
        Act::Mode(name, mode) => fs::set_permissions(at(name), PermissionsExt::from_mode(*mode)),
        Act::Remove(name) if kind(&at(name))?.is_dir() => fs::remove_dir_all(at(name)),
        Act::Remove(name) => fs::remove_file(at(name)),
        Act::Forge(name) => {
            let path = file(at(name))?;
            let time = path.metadata()?.modified()?;
            fs::write(&path, [9; 3])?;
            changes::set_time(&path, time);
            Ok(())
        }
    }
}

/// Makes, changes and removes snapshots in a room; each case has keys of its own.
struct Case<'a> {
    room: &'a Room,
    number: usize,
}

impl Case<'_> {
    fn key(&self, name: &str) -> String {
        format!("{name}-{}", self.number)
    }

    async fn make(&self, name: &str, parent: Option<&str>, view: bool) -> Vec<Mount> {
        let parent = parent.map(|parent| self.key(parent));
        let new = NewSnapshot { key: self.key(name), parent, ..NewSnapshot::default() };
        let snapshots = &self.room.service.snapshots;
        match view {
            true => snapshots.view(&self.room.scope, new).await.unwrap(),
            false => snapshots.prepare(&self.room.scope, new).await.unwrap(),
        }
    }

    async fn layer(&self, name: &str, parent: Option<&str>, acts: &[Act]) {
        let active = format!("{name}-active");
        let mounts = self.make(&active, parent, false).await;
        seen(&mounts, |root| perform(root, acts));
        let (scope, key) = (&self.room.scope, self.key(name));
        let snapshots = &self.room.service.snapshots;
        snapshots.commit(scope, &key, &self.key(&active), &[].into()).await.unwrap();
    }

    /// The tree after `acts` on two layers, and what comes of its layer on the same two; and the
    /// same of what leads from the lower layer to the changed tree.
    async fn run(&self, layers: &[Vec<Act>; 2], acts: &[Act]) -> Result<[Vec<String>; 3]> {
        self.layer("one", None, &layers[0]).await;
        self.layer("two", Some("one"), &layers[1]).await;
        let upper = self.make("upper", Some("two"), false).await;
        seen(&upper, |root| perform(root, acts));
        let want = seen(&upper, tree::list_exactly);
        let mut trees = Vec::new();
        for (at, parent) in ["two", "one"].into_iter().enumerate() {
            let lower = self.make(&format!("lower-{at}"), Some(parent), true).await;
            let again = self.make(&format!("again-{at}"), Some(parent), false).await;
            let (diff, scope) = (&self.room.service.diff, &self.room.scope);
            let blob = diff.diff(scope, &lower, &upper, NewLayer::default()).await?;
            diff.apply(scope, &blob, &again).await?;
            trees.push(seen(&again, tree::list_exactly));
        }
        let [first, second] = trees.try_into().unwrap();
        self.clear().await;
        Ok([want, first, second])
    }

    async fn clear(&self) {
        for name in ["again-1", "lower-1", "again-0", "lower-0", "upper", "two", "one"] {
            let (scope, key) = (&self.room.scope, self.key(name));
            self.room.service.snapshots.remove(scope, &key).await.unwrap();
        }
    }
}

#[test]
fn what_was_done_at_random_comes_out_of_its_layer() {
    if !rustix::process::geteuid().is_root() {
        return varve_core::testsuite::skipped("overlays need root");
    }
    let cases = std::env::var("VARVE_DIFF_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(60),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for driver in ["overlayfs", "native"] {
        let Some(room) = runtime.block_on(kit::room(driver)) else { continue };
        let number = std::cell::Cell::new(0);
        let images = ((acts(20), acts(12)), acts(16));
        let outcome = TestRunner::new(config.clone()).run(&images, |((one, two), acts)| {
            number.set(number.get() + 1);
            let case = Case { room: &room, number: number.get() };
            let [want, first, second] = runtime.block_on(case.run(&[one, two], &acts)).unwrap();
            prop_assert_eq!(&first, &want, "on its parent, {}", driver);
            prop_assert_eq!(&second, &want, "on the layer below that, {}", driver);
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("{error}");
        }
    }
}
