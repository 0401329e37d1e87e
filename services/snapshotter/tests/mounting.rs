//! Mounting what a snapshotter answers: many layers, old ways and new, read-only views.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use kit::layer::Archive;
use varve_core::snapshots::NewSnapshot;
use varve_core::{Kind, Mount};
use varve_snapshotter::mounting;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_of_130_layers_is_unpacked_side_by_side_and_mounted() {
    let Some(room) = kit::room("overlayfs").await else { return };
    let layer = |at: usize| {
        let name = format!("dir/f{at}");
        // Each hides what the one before made.
        let hidden = format!("dir/f{}", at.wrapping_sub(1));
        Archive::new().file(&name, 0o644, name.as_bytes()).whiteout(&hidden).finish()
    };
    let tars: Vec<_> = (0..130).map(layer).collect();
    let chain = room.stack_at_once(&tars).await.unwrap();
    let mounts = room.view("v", *chain.last().unwrap()).await;
    assert_eq!(mounts[0].option("lowerdir").unwrap().split(':').count(), 130);
    let names = |dir: &std::path::Path| {
        let entries = std::fs::read_dir(dir.join("dir")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(kit::mounted(&mounts, names), ["f129"]);
    // And written to, by the way of an active snapshot.
    let parent = Some(chain.last().unwrap().to_string());
    let new = NewSnapshot { key: "a".into(), parent, ..NewSnapshot::default() };
    let mounts = room.service.snapshots.prepare(&room.scope, new).await.unwrap();
    kit::mounted(&mounts, |dir| std::fs::write(dir.join("dir/new"), b"x").unwrap());
    assert!(kit::mounted(&mounts, |dir| dir.join("dir/new").exists()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_cannot_be_written() {
    for driver in ["overlayfs", "native"] {
        let Some(room) = kit::room(driver).await else { continue };
        if !kit::overlay_works(&room.temp.path().join("probe")) {
            continue;
        }
        let tars = [1, 2].map(|at| Archive::new().file(&format!("f{at}"), 0o644, b"x").finish());
        let chain = room.stack(&tars).await.unwrap();
        for (key, chain) in ["one", "two"].into_iter().zip(chain) {
            let mounts = room.view(key, chain).await;
            let written = kit::mounted(&mounts, |dir| std::fs::write(dir.join("new"), b"x"));
            let error = written.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem, "{driver} {key}");
        }
    }
}

#[test]
fn mounts_that_are_not_understood_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let overlay = |options: &[&str]| Mount {
        kind: "overlay".into(),
        source: "overlay".into(),
        target: String::new(),
        options: options.iter().map(ToString::to_string).collect(),
    };
    for mounts in [
        vec![],
        vec![Mount { kind: "ext4".into(), ..Mount::bind("/dev/sda", "rw") }],
        vec![Mount { target: "below".into(), ..Mount::bind("/", "rw") }],
        vec![Mount::bind("/", "no-such-option")],
        vec![overlay(&["lowerdir=/", "no-such-option=1"])],
        vec![overlay(&["index=off"])],
    ] {
        let error = mounting::mount(&mounts, dir.path()).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{mounts:?}");
    }
    let error = mounting::unmount(dir.path()).unwrap_err();
    assert!([Kind::FailedPrecondition, Kind::PermissionDenied].contains(&error.kind()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_that_mount_options_cannot_carry_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let store = std::sync::Arc::new(varve_core::testsuite::memory::Store::new());
    for name in ["a:b", "a,b", r"a\b"] {
        let config = varve_snapshotter::Config::new(temp.path().join(name));
        let neighbours =
            varve_snapshotter::Dependencies { content: store.clone(), leases: store.clone() };
        let opened = varve_snapshotter::open_by_name("overlayfs", config, neighbours).await;
        assert_eq!(opened.err().unwrap().kind(), Kind::InvalidArgument, "{name}");
        assert_eq!(varve_snapshotter::default_driver(&temp.path().join(name)), "native");
    }
}
