//! The native driver without root. Where the tests run as root, this one begins itself again as
//! somebody else.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kit::layer::Archive;

const NOBODY: u32 = 65534;

#[test]
fn the_native_driver_works_without_root() {
    if !rustix::process::geteuid().is_root() {
        return without_root();
    }
    if std::env::var_os("VARVE_TEST_UNPRIVILEGED").is_some() {
        panic!("the other user is root too");
    }
    let temp = tempfile::tempdir().unwrap();
    std::fs::set_permissions(temp.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let program = temp.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let status = Command::new(&program)
        .args(["--exact", "the_native_driver_works_without_root", "--nocapture"])
        .env("VARVE_TEST_UNPRIVILEGED", "1")
        .env("TMPDIR", temp.path())
        .current_dir(temp.path())
        .gid(NOBODY)
        .uid(NOBODY)
        .status();
    match status {
        Err(error) => {
            varve_core::testsuite::skipped(format_args!("cannot become another user: {error}"))
        }
        Ok(status) => assert!(status.success()),
    }
}

#[tokio::main]
async fn without_root() {
    let room = kit::room("native").await.unwrap();
    let layers = [
        Archive::new()
            .owner(0, 42)
            .file("etc/shadow", 0o000, b"secret")
            .dir("closed/", 0o000)
            .file("closed/inside", 0o400, b"inside")
            .dir("fixed/", 0o555)
            .file("fixed/f", 0o4755, b"f")
            .hard_link("fixed/g", "fixed/f")
            .device("null", 0o666)
            .device("zero", 0o666)
            .finish(),
        Archive::new().file("fixed/added", 0o644, b"added").whiteout("fixed/g").finish(),
        Archive::new().file("closed/more", 0o644, b"more").finish(),
    ];
    room.put(&layers[0]).await;
    let first = room.unpack(room.describe(&layers[0], None)).await.unwrap();
    let told = first.notices.iter().filter(|line| line.contains("devices")).count();
    assert_eq!(told, 1, "{:?}", first.notices);
    let chain = room.stack(&layers).await.unwrap();
    let mounts = room.view("v", chain[2]).await;
    let root = std::path::Path::new(&mounts[0].source);
    let mode = |path: &str| root.join(path).symlink_metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("closed"), mode("fixed"), mode("fixed/f")), (0, 0o555, 0o4755));
    assert_eq!((mode("etc/shadow"), mode("fixed/added")), (0, 0o644));
    assert!(!root.join("null").exists() && !root.join("fixed/g").exists());
    let mut owner = [0; 64];
    let recorded =
        rustix::fs::lgetxattr(root.join("fixed/f"), "user.rootlesscontainers", &mut owner[..]);
    match recorded {
        Ok(len) => assert!(len > 0, "the owner is recorded, and copied"),
        Err(error) => {
            varve_core::testsuite::skipped(format_args!("no user attributes here: {error}"))
        }
    }
    // The source of a copy is as it was.
    let below = room.view("below", chain[0]).await;
    let below = std::path::Path::new(&below[0].source);
    assert_eq!(below.join("closed").metadata().unwrap().mode() & 0o7777, 0);
    assert_eq!(below.join("etc/shadow").metadata().unwrap().mode() & 0o7777, 0);
    std::fs::set_permissions(root.join("closed"), PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(std::fs::read(root.join("closed/inside")).unwrap(), b"inside");
    assert_eq!(std::fs::read(root.join("closed/more")).unwrap(), b"more");
    diffed(&room).await;
    for key in ["v", "below"] {
        room.service.snapshots.remove(&room.scope, key).await.unwrap();
    }
    for chain in chain.iter().rev() {
        room.service.snapshots.remove(&room.scope, &chain.to_string()).await.unwrap();
    }
    room.tidy().await;
    assert!(room.names("snapshots").is_empty(), "unwritable directories are removed too");
}

/// A layer has what its owner may not read, and the owners that could only be recorded; the trees have
/// the modes again that they had.
async fn diffed(room: &kit::Room) {
    let base = Archive::new()
        .owner(0, 42)
        .file("shadow", 0o000, b"secret")
        .hard_link("shadow-too", "shadow")
        .dir("closed/", 0o000)
        .dir("closed/more/", 0o100)
        .file("closed/more/f", 0o000, b"before")
        .file("closed/more/g", 0o200, b"as it was");
    let chain = room.stack(&[base.finish()]).await.unwrap()[0];
    let (lower, upper) =
        (room.view("lower", chain).await, room.prepare("upper", Some(chain)).await);
    let (below, above) = (tree_of(&lower), tree_of(&upper));
    change(&above);
    let plain = varve_core::diff::NewLayer {
        media_type: "application/vnd.oci.image.layer.v1.tar".into(),
        ..Default::default()
    };
    let blob = room.service.diff.diff(&room.scope, &lower, &upper, plain).await.unwrap();
    let want = [
        ("closed/", 0, 42, 0o000),
        ("closed/more/", 0, 42, 0o100),
        ("closed/more/f", 0, 42, 0o000),
        ("closed/more/mine", 0, 0, 0o000),
    ];
    assert_eq!(
        owners(&room.bytes(&blob.digest).await),
        want.map(|(p, u, g, m)| (p.into(), u, g, m))
    );
    for root in [&below, &above] {
        assert_eq!((mode(root, "shadow"), mode(root, "closed")), (0o000, 0o000));
    }
    for root in [&below, &above] {
        set_mode(root, "closed", 0o700);
        assert_eq!(mode(root, "closed/more"), 0o100);
        assert_eq!(mode(root, "closed/more/f"), 0o000);
        set_mode(root, "closed", 0o000);
    }
    for key in ["upper", "lower"] {
        room.service.snapshots.remove(&room.scope, key).await.unwrap();
    }
    room.service.snapshots.remove(&room.scope, &chain.to_string()).await.unwrap();
}

fn tree_of(mounts: &[varve_core::Mount]) -> PathBuf {
    PathBuf::from(&mounts[0].source)
}

/// Another content of a file and another file in a directory that is closed again.
fn change(root: &Path) {
    let time = root.metadata().unwrap().modified().unwrap();
    for (path, mode) in [("closed", 0o700), ("closed/more", 0o700), ("closed/more/f", 0o600)] {
        set_mode(root, path, mode);
    }
    std::fs::write(root.join("closed/more/f"), b"after!").unwrap();
    std::fs::write(root.join("closed/more/mine"), b"mine").unwrap();
    for (path, mode) in
        [("closed/more/mine", 0), ("closed/more/f", 0), ("closed/more", 0o100), ("closed", 0)]
    {
        set_mode(root, path, mode);
    }
    std::fs::File::open(root).unwrap().set_modified(time).unwrap();
}

fn mode(root: &Path, path: &str) -> u32 {
    root.join(path).symlink_metadata().unwrap().mode() & 0o7777
}

fn set_mode(root: &Path, path: &str, mode: u32) {
    std::fs::set_permissions(root.join(path), PermissionsExt::from_mode(mode)).unwrap();
}

/// Path, user, group and mode of each member.
fn owners(archive: &[u8]) -> Vec<(String, u64, u64, u32)> {
    let mut archive = tar::Archive::new(archive);
    let owner = |entry: tar::Entry<'_, _>| {
        let header = entry.header();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        (path, header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap())
    };
    archive.entries().unwrap().map(|entry| owner(entry.unwrap())).collect()
}
