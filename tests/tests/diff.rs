//! Layers made over the wire, of a real image with every odd construct: daemon and split services.

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use varve_core::diff::{Diff, NewLayer};
use varve_core::snapshots::{NewSnapshot, Snapshots};
use varve_core::{Mount, Scope};
use varve_rpc::channel::channel;
use varve_rpc::{diff, snapshots};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};
use varve_tests::fake::Fake;
use varve_tests::image::{Content, Family, Packing};
use varve_tests::odd;
use varve_tests::peers::{need_root, run};
use varve_tests::tree::{Listing, differences, list};

/// Shows `mounts` as containerd's clients do, by mount(8).
fn mounted<T>(mounts: &[Mount], look: impl FnOnce(&Path) -> T) -> T {
    let [mount] = mounts else { panic!("one mount, not {mounts:?}") };
    if mount.kind == "bind" {
        return look(Path::new(&mount.source));
    }
    let target = tempfile::tempdir().unwrap();
    let at = target.path().to_str().unwrap();
    run("mount", &["-t", &mount.kind, &mount.source, at, "-o", &mount.options.join(",")]).unwrap();
    let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(target.path())));
    run("umount", &[at]).unwrap();
    seen.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

fn exactly(root: &Path) -> Listing {
    let never = SystemTime::now() + Duration::from_secs(1 << 30);
    list(root, never).unwrap()
}

/// Every entry goes away, is made anew, or is moved; what is left has a new owner.
fn change(root: &Path) {
    let script = "
        rm -rf opaque hidden/a dir-becomes-link links-c
        mkdir -m 2700 opaque && echo new > opaque/new
        cp -a usr/bin/ping usr/bin/ping-too && chmod 4711 usr/bin/su
        ln usr/bin/true true-too && ln -s usr/bin/true home/to-true
        cp -a home/far home/far-too && chown 17:18 tmp home/file
        mv etc/noted moved && echo more >> etc/passwd
        mkfifo -m 600 fifo-too && mknod -m 640 loop b 7 1
    ";
    let status = Command::new("sh").args(["-ec", script]).current_dir(root).status();
    assert!(status.unwrap().success());
}

async fn compare(address: &str, driver: &str) {
    let channel = channel(&address.parse().unwrap());
    let (scope, snapshots) = (Scope::default(), snapshots::Client::new(channel.clone(), driver));
    let diff = diff::Client::new(channel);
    let all = snapshots.list(&scope, &[]).await.unwrap();
    let is_top = |name: &str| !all.iter().any(|other| other.parent.as_deref() == Some(name));
    let top = all.iter().find(|info| is_top(&info.name)).unwrap().name.clone();
    let new = |key: &str| NewSnapshot {
        key: key.into(),
        parent: Some(top.clone()),
        ..NewSnapshot::default()
    };
    let lower = snapshots.view(&scope, new("lower")).await.unwrap();
    let upper = snapshots.prepare(&scope, new("upper")).await.unwrap();
    mounted(&upper, change);
    let layer = NewLayer { ingest: "a-layer".into(), ..NewLayer::default() };
    let blob = diff.diff(&scope, &lower, &upper, layer).await.unwrap();
    let again = snapshots.prepare(&scope, new("again")).await.unwrap();
    diff.apply(&scope, &blob, &again).await.unwrap();
    let (made, want) = (mounted(&again, exactly), mounted(&upper, exactly));
    let lines = differences(&made, &want);
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), lines.join("\n"));
    assert!(made.len() > 60, "a tree of {} entries is not the one that was made", made.len());
    let host = [Mount::bind("/", "ro")];
    let refused = diff.diff(&scope, &host, &upper, NewLayer::default()).await.unwrap_err();
    assert_eq!(refused.kind(), varve_core::Kind::InvalidArgument);
}

fn over(topology: Topology, driver: &str, test: &str) {
    if !need_root(test) {
        return;
    }
    let registry = Fake::start().unwrap();
    let mut content = Content::default();
    let host = varve_core::Platform::host();
    content.image(Family::Oci, Packing::Gzip, &host, &odd::layers());
    registry.push("odd", "1", &content);
    let mut varve = Varve::over(topology, binary().unwrap()).unwrap();
    let image = format!("{}/odd:1", registry.address());
    varve.run(&["pull", "--quiet", "--plain-http", "--snapshotter", driver, &image]).unwrap();
    let address = match topology {
        Topology::Split => varve.cluster().socket("snapshotter"),
        _ => format!("unix://{}/varve.sock", varve.root().display()),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(compare(&address, driver));
}

#[test]
fn a_daemon_makes_a_layer_that_makes_the_tree_again_on_overlayfs() {
    over(Topology::Daemon, "overlayfs", "a layer by a daemon on overlayfs");
}

#[test]
fn a_daemon_makes_a_layer_that_makes_the_tree_again_on_native() {
    over(Topology::Daemon, "native", "a layer by a daemon on native");
}

#[test]
fn split_services_make_a_layer_that_makes_the_tree_again() {
    over(Topology::Split, "overlayfs", "a layer by split services");
}
