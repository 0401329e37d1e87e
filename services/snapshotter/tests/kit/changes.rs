//! A tree changed in every way that a container can.

use std::fs::{self, File, FileTimes};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use super::layer::Archive;

/// `cap_net_raw+ep`, as the kernel stores it (revision 2, effective).
const CAP_NET_RAW: &[u8] = &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// An ACL as the kernel takes it: version 2, then tag, permissions and id of each entry.
fn acl() -> Vec<u8> {
    let entry = |tag: u16, allowed: u16, id: u32| {
        [&tag.to_le_bytes()[..], &allowed.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let none = u32::MAX;
    let entries = [
        entry(0x01, 6, none),
        entry(0x02, 4, 1000),
        entry(0x04, 4, none),
        entry(0x10, 6, none),
        entry(0x20, 4, none),
    ];
    [2u32.to_le_bytes().to_vec(), entries.concat()].concat()
}

/// The layers below: what [`change`] works on is in either of them, or in both.
pub fn layers() -> Vec<Vec<u8>> {
    let deep = format!("deep/{}", "d/".repeat(120));
    let base = Archive::new()
        .dir("etc/", 0o755)
        .file("etc/passwd", 0o644, b"root\n")
        .file("etc/same-size", 0o644, b"before")
        .file("etc/touched", 0o644, b"touched")
        .file("etc/gone", 0o644, b"gone")
        .file("etc/becomes-dir", 0o644, b"x")
        .file("etc/becomes-link", 0o644, b"x")
        .file("etc/kept", 0o644, b"kept")
        .xattr("user.note", b"before")
        .file("etc/noted", 0o600, b"noted")
        .xattr("user.note", b"goes")
        .file("etc/un-noted", 0o600, b"noted")
        .owner(7, 8)
        .dir("srv/", 0o2750)
        .file("srv/a", 0o4755, b"a")
        .file("srv/b", 0o644, b"b")
        .dir("srv/sub/", 0o700)
        .file("srv/sub/c", 0o644, b"c")
        .owner(0, 0)
        .dir("tree/", 0o755)
        .file("tree/old", 0o644, b"old")
        .file("tree/again", 0o644, b"again")
        .dir("tree/inner/", 0o755)
        .file("tree/inner/old", 0o644, b"old")
        .dir("becomes-file/", 0o755)
        .file("becomes-file/inner", 0o644, b"x")
        .dir("goes/", 0o755)
        .file("goes/inner", 0o644, b"x")
        .link("link", "etc/passwd")
        .link("link-kept", "etc")
        .file("hard-a", 0o644, b"three names")
        .hard_link("hard-b", "hard-a")
        .hard_link("hard-c", "hard-a")
        .file("pair-a", 0o644, b"two names")
        .hard_link("pair-b", "pair-a")
        .fifo("fifo", 0o622)
        .device("null", 0o666)
        .dir("deep/", 0o755);
    let upper = Archive::new()
        .file("etc/gone-too", 0o644, b"gone")
        .file("srv/second", 0o644, b"of the second layer")
        .whiteout("srv/b")
        .file("tree/second", 0o644, b"of the second layer");
    let base = ("d/".repeat(120).split_inclusive('/'))
        .scan("deep/".to_owned(), |path, part| {
            path.push_str(part);
            Some(path.clone())
        })
        .filter(|path| path.len() < 100)
        .fold(base, |archive, path| archive.dir(&path, 0o751));
    assert!(deep.len() > 200);
    vec![base.finish(), upper.finish()]
}

/// Changes the tree below `root`, as root.
pub fn change(root: &Path) {
    contents(root);
    attributes(root);
    kinds(root);
    links(root);
    special(root);
    names(root);
}

fn contents(root: &Path) {
    fs::write(root.join("etc/passwd"), b"root\nuser\n").unwrap();
    // Nothing but the content tells: same size, same time.
    let forged = root.join("etc/same-size");
    let time = fs::metadata(&forged).unwrap().modified().unwrap();
    fs::write(&forged, b"after!").unwrap();
    set_time(&forged, time);
    set_time(&root.join("etc/touched"), SystemTime::UNIX_EPOCH + Duration::new(5, 7));
    fs::remove_file(root.join("etc/gone")).unwrap();
    fs::remove_file(root.join("etc/gone-too")).unwrap();
    fs::remove_dir_all(root.join("goes")).unwrap();
    fs::write(root.join("empty"), b"").unwrap();
    let mut sparse = File::create(root.join("sparse")).unwrap();
    sparse.seek(SeekFrom::Start(3 << 20)).unwrap();
    sparse.write_all(b"at the end").unwrap();
    fs::write(root.join("large"), vec![0xa5; (1 << 20) + 1]).unwrap();
    // What was there comes back, and so does what only looks like it.
    fs::remove_dir_all(root.join("tree")).unwrap();
    fs::create_dir_all(root.join("tree/inner")).unwrap();
    fs::write(root.join("tree/again"), b"again").unwrap();
    fs::write(root.join("tree/inner/new"), b"new").unwrap();
}

fn attributes(root: &Path) {
    let mode = |name: &str, mode| {
        fs::set_permissions(root.join(name), PermissionsExt::from_mode(mode)).unwrap();
    };
    let xattr = |name: &str, key: &str, value: &[u8]| {
        rustix::fs::lsetxattr(root.join(name), key, value, XattrFlags::empty()).unwrap();
    };
    mode("srv/a", 0o6711);
    mode("srv/sub", 0o1777);
    mode("empty", 0o000);
    chown(root.join("srv/second"), Some(4_000_000_000), Some(3_000_000_000)).unwrap();
    fs::write(root.join("ping"), b"with a capability").unwrap();
    chown(root.join("ping"), Some(1), Some(2)).unwrap();
    mode("ping", 0o4755);
    xattr("ping", "security.capability", CAP_NET_RAW);
    xattr("etc/noted", "user.note", b"after\n\0\xff");
    rustix::fs::lremovexattr(root.join("etc/un-noted"), "user.note").unwrap();
    fs::create_dir(root.join("shared")).unwrap();
    xattr("shared", "system.posix_acl_default", &acl());
    xattr("shared", "system.posix_acl_access", &acl());
    xattr("shared", "trusted.note", b"of root");
    fs::write(root.join("shared/of-all"), b"with an acl").unwrap();
    xattr("large", "user.large", &[7; 3000]);
    let before = Timespec { tv_sec: -5, tv_nsec: 250_000_000 };
    let times = Timestamps { last_access: before, last_modification: before };
    rustix::fs::utimensat(CWD, root.join("large"), &times, AtFlags::empty()).unwrap();
    xattr(".", "user.root", b"it has one too");
    fs::set_permissions(root, PermissionsExt::from_mode(0o711)).unwrap();
}

fn kinds(root: &Path) {
    let at = |name: &str| root.join(name);
    fs::remove_file(at("etc/becomes-dir")).unwrap();
    fs::create_dir(at("etc/becomes-dir")).unwrap();
    fs::write(at("etc/becomes-dir/inner"), b"x").unwrap();
    fs::remove_file(at("etc/becomes-link")).unwrap();
    symlink("kept", at("etc/becomes-link")).unwrap();
    fs::remove_dir_all(at("becomes-file")).unwrap();
    fs::write(at("becomes-file"), b"a file").unwrap();
    fs::remove_file(at("link")).unwrap();
    symlink("etc/kept", at("link")).unwrap();
    lchown(at("link"), Some(5), Some(6)).unwrap();
    symlink("/nowhere/\u{e9}", at("dangling")).unwrap();
    symlink("t".repeat(300), at("link-to-far")).unwrap();
}

fn links(root: &Path) {
    let at = |name: &str| root.join(name);
    // A new name of a file that is below; one name less; a name that parts from the others.
    fs::hard_link(at("etc/kept"), at("kept-too")).unwrap();
    fs::remove_file(at("hard-b")).unwrap();
    fs::remove_file(at("pair-b")).unwrap();
    fs::write(at("pair-b"), b"two names").unwrap();
    set_time(&at("pair-b"), fs::metadata(at("pair-a")).unwrap().modified().unwrap());
    fs::write(at("new-a"), b"new").unwrap();
    fs::hard_link(at("new-a"), at("a-new-one-that-comes-first")).unwrap();
    fs::hard_link(at("dangling"), at("zz-link-to-link")).unwrap();
    fs::hard_link(at("ping"), at("ping-by-another-name")).unwrap();
}

fn special(root: &Path) {
    let make = |name: &str, kind, mode: u32, device| {
        let path = root.join(name);
        rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(mode), device).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    };
    make("zero", FileType::CharacterDevice, 0o622, rustix::fs::makedev(1, 5));
    make("block", FileType::BlockDevice, 0o660, rustix::fs::makedev(259, 1_000_000));
    make("pipe", FileType::Fifo, 0o604, 0);
    chown(root.join("pipe"), Some(9), None).unwrap();
    drop(std::os::unix::net::UnixListener::bind(root.join("s")).unwrap());
    fs::remove_file(root.join("null")).unwrap();
    fs::set_permissions(root.join("fifo"), PermissionsExt::from_mode(0o600)).unwrap();
}

fn names(root: &Path) {
    let bytes = |name: &[u8]| root.join(std::ffi::OsStr::from_bytes(name));
    fs::write(bytes(b"not-utf8-\xff\xfe"), b"bytes").unwrap();
    symlink(std::ffi::OsStr::from_bytes(b"to-\xff"), bytes(b"link-\xfe")).unwrap();
    fs::write(bytes("n".repeat(255).as_bytes()), b"long").unwrap();
    fs::write(root.join("name with space\nand newline"), b"").unwrap();
    fs::write(root.join("exactly-".to_owned() + &"x".repeat(92)), b"100 bytes").unwrap();
    let deep: PathBuf = (0..60).map(|_| "deeper").collect();
    fs::create_dir_all(root.join("deep/d/d").join(&deep)).unwrap();
    fs::write(root.join("deep/d/d").join(&deep).join("file"), b"deep").unwrap();
}

/// Makes a file with capabilities and another attribute.
pub fn capable(path: &Path) {
    fs::write(path, b"with a capability").unwrap();
    for (name, value) in [("security.capability", CAP_NET_RAW), ("user.note", b"noted")] {
        rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
    }
}

pub fn set_time(path: &Path, time: SystemTime) {
    let file = File::open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// Removes the socket, which no layer has.
pub fn without_socket(root: &Path) {
    let time = fs::metadata(root).unwrap();
    fs::remove_file(root.join("s")).unwrap();
    let time = Timespec { tv_sec: time.mtime(), tv_nsec: time.mtime_nsec() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, root, &times, AtFlags::empty()).unwrap();
}
