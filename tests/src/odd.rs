//! Layers that break tools: every construct that an image may hold and few images do.

use tar::EntryType;

use crate::layer::{Layer, Meta};

/// `cap_net_raw+ep`, as the kernel stores it (revision 2, effective).
const CAP_NET_RAW: &[u8] = &[1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// An image of four layers, bottom first.
pub fn layers() -> Vec<Vec<u8>> {
    vec![base(), edits(), through(), last()]
}

fn owned(uid: u64, gid: u64) -> Meta {
    Meta { uid, gid, nanos: 123_456_789, mtime: 981_173_106, ..Meta::default() }
}

/// Every kind of entry there is.
fn base() -> Vec<u8> {
    let deep = "deep/".repeat(50);
    let long = format!("long/{}", "n".repeat(200));
    Layer::new()
        .dir("./", 0o755)
        .dir("etc/", 0o755)
        .file("etc/passwd", 0o644, b"root:x:0:0::/:/bin/sh\n")
        .dir("usr/", 0o755)
        .dir("usr/bin/", 0o755)
        .dir("usr/lib/", 0o755)
        .symlink("lib", "usr/lib")
        .symlink("bin", "/usr/bin")
        .file("usr/bin/true", 0o755, b"#!/bin/true\n")
        .file("usr/bin/su", 0o4755, b"setuid")
        .file("usr/bin/wall", 0o2755, b"setgid")
        .xattr("security.capability", CAP_NET_RAW)
        .file("usr/bin/ping", 0o755, b"with a capability")
        .xattr("user.note", b"a value")
        .file("etc/noted", 0o600, b"with an attribute")
        .dir("tmp/", 0o1777)
        .meta(owned(1234, 5678))
        .dir("home/", 0o750)
        .file("home/file", 0o640, b"owned, with nanoseconds")
        .symlink("home/link", "../etc/passwd")
        .symlink("home/dangling", "/nonexistent")
        .meta(owned(4_000_000_000, 4_000_000_000))
        .file("home/far", 0o600, b"an owner above 2^31")
        .meta(Meta::default())
        .file("links-a", 0o644, b"one content, three names")
        .hard_link("links-b", "links-a")
        .hard_link("links-c", "./links-b")
        .hard_link("link-to-symlink", "lib")
        .fifo("fifo")
        .device("null", 1, 3)
        .file_bytes(b"not-utf8-\xff\xfe", b"bytes")
        .file("name with space\nand newline", 0o644, b"")
        .dir("long/", 0o755)
        .file(&long, 0o644, b"a name of 200 bytes")
        .file(&format!("{deep}file"), 0o644, b"no directory above was described")
        .file("empty", 0o000, b"")
        .file("twice", 0o644, b"first")
        .file("twice", 0o600, b"second, and last")
        .dir("dir-then-file/", 0o755)
        .file("dir-then-file/inner", 0o644, b"x")
        .dir("hidden/", 0o711)
        .file("hidden/a", 0o644, b"a")
        .file("hidden/b", 0o644, b"b")
        .dir("opaque/", 0o711)
        .file("opaque/old", 0o644, b"old")
        .dir("opaque-late/", 0o711)
        .file("opaque-late/old", 0o644, b"old")
        .dir("described-below/", 0o2750)
        .file("becomes-dir", 0o644, b"x")
        .symlink("link-becomes-dir", "etc")
        .dir("dir-becomes-link/", 0o755)
        .file("dir-becomes-link/inner", 0o644, b"x")
        .finish()
}

/// Whiteouts and opaque directories in any order, kinds that change, parents that only the layer
/// below describes.
fn edits() -> Vec<u8> {
    Layer::new()
        .meta(Meta { mtime: 1_650_000_000, ..Meta::default() })
        .whiteout("hidden/a")
        .opaque("opaque")
        .file("opaque/new", 0o644, b"new")
        .file("opaque-late/new", 0o644, b"new")
        .opaque("opaque-late")
        .file("described-below/file", 0o644, b"its directory keeps its mode and time")
        .file("usr/bin/new", 0o755, b"so does this one")
        .dir("becomes-dir/", 0o755)
        .file("becomes-dir/inner", 0o644, b"x")
        .dir("link-becomes-dir/", 0o755)
        .file("link-becomes-dir/inner", 0o644, b"x")
        .symlink("dir-becomes-link", "etc")
        .whiteout("links-b")
        .whiteout("nothing-of-that-name")
        .file("etc/passwd", 0o600, b"replaced\n")
        .dir("etc/", 0o700)
        .finish()
}

/// What cannot be unpacked without looking at the layer below.
fn through() -> Vec<u8> {
    Layer::new()
        .file("lib/through-a-symlink", 0o644, b"lands in usr/lib")
        .file("bin/through-an-absolute-one", 0o755, b"lands in usr/bin")
        .hard_link("linked-below", "usr/bin/true")
        .entry(EntryType::Regular, b"/absolute", 0o644, b"", b"lands in the root")
        .finish()
}

/// Hides and makes again.
fn last() -> Vec<u8> {
    Layer::new()
        .whiteout("opaque")
        .whiteout("becomes-dir")
        .file("becomes-dir", 0o644, b"a file again")
        .dir("hidden/", 0o755)
        .opaque("hidden")
        .finish()
}
