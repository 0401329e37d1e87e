//! Layers that are odd in one way each.

use super::layer::Archive;

pub type Layers = Vec<Vec<u8>>;

/// A base that has something of everything.
pub fn base() -> Archive {
    Archive::new()
        .dir("etc/", 0o755)
        .file("etc/passwd", 0o644, b"root\n")
        .file("etc/shadow", 0o640, b"secret\n")
        .owner(7, 8)
        .dir("var/", 0o1777)
        .dir("var/lib/", 0o700)
        .file("var/lib/old", 0o600, b"old")
        .xattr("user.note", b"kept")
        .dir("opt/", 0o2755)
        .file("opt/a", 0o4755, b"a")
        .dir("opt/deep/", 0o711)
        .dir("opt/deep/er/", 0o750)
        .file("opt/deep/er/x", 0o644, b"x")
        .owner(0, 0)
        .dir("usr/", 0o755)
        .dir("usr/lib/", 0o751)
        .file("usr/lib/libc.so", 0o755, b"libc")
        .link("lib", "usr/lib")
        .link("abs", "/usr/lib")
        .link("dangling", "nowhere/at/all")
        .hard_link("etc/passwd-", "etc/passwd")
        .fifo("pipe", 0o622)
        .device("null", 0o666)
}

/// Each on the base, with what is odd about it.
pub fn odd() -> Vec<(&'static str, Layers)> {
    let new = Archive::new;
    let one = |archive: Archive| vec![archive.finish()];
    vec![
        ("nothing at all", one(new())),
        (
            "files in directories that only the parent describes",
            one(new().file("var/lib/new", 0o600, b"new").file("opt/deep/er/y", 0o644, b"y")),
        ),
        ("directories that nobody describes", one(new().file("a/b/c/d", 0o644, b"d"))),
        ("a root of its own", one(new().owner(3, 4).dir("./", 0o750).file("f", 0o644, b"f"))),
        ("a described directory replaces attributes", one(new().owner(9, 9).dir("opt/", 0o700))),
        ("through a linked directory", one(new().file("lib/libm.so", 0o755, b"libm"))),
        ("through an absolute link", one(new().file("abs/libm.so", 0o755, b"libm"))),
        ("through a dangling link", one(new().file("dangling/f", 0o644, b"f"))),
        ("below a file", one(new().file("etc/passwd/f", 0o644, b"f"))),
        ("a directory over a link", one(new().dir("lib/", 0o700).file("lib/f", 0o644, b"f"))),
        ("a file over a directory", one(new().file("opt", 0o644, b"now a file"))),
        (
            "a directory over a file",
            one(new().dir("etc/passwd/", 0o700).file("etc/passwd/f", 0o644, b"f")),
        ),
        ("a link over a directory", one(new().link("var", "etc"))),
        ("a whiteout", one(new().whiteout("etc/shadow"))),
        ("a whiteout of a directory", one(new().whiteout("opt"))),
        ("a whiteout of nothing", one(new().whiteout("etc/none").whiteout("no/such/dir/x"))),
        (
            "hollow beside full",
            one(new()
                .whiteout("no/such/x")
                .file("no/other", 0o644, b"o")
                .whiteout("opt/deep/no/y")),
        ),
        ("whiteouts through a link", one(new().whiteout("lib/libc.so"))),
        (
            "a whiteout and a new file of that name",
            one(new().whiteout("etc/passwd").file("etc/passwd", 0o600, b"anew")),
        ),
        (
            "a new file and a whiteout of that name",
            one(new().file("etc/passwd", 0o600, b"anew").whiteout("etc/passwd")),
        ),
        (
            "a whiteout of a directory that is made anew",
            one(new().whiteout("opt").file("opt/deep/z", 0o644, b"z")),
        ),
        (
            "a directory made anew and then whited out",
            one(new().file("opt/deep/z", 0o644, b"z").whiteout("opt")),
        ),
        (
            "an opaque directory that is described",
            one(new().dir("opt/", 0o755).opaque("opt").file("opt/n", 0o644, b"n")),
        ),
        (
            "an opaque directory that is not described",
            one(new().opaque("opt").file("opt/n", 0o644, b"n")),
        ),
        (
            "an opaque mark after what it spares",
            one(new().file("opt/deep/n", 0o644, b"n").opaque("opt")),
        ),
        ("an opaque directory that is not there", one(new().opaque("none"))),
        ("opaque through a link", one(new().opaque("lib"))),
        // Of one name: overlayfs parts a file of several names from those that it does not copy up.
        ("a hard link to a file below", one(new().hard_link("etc/again", "etc/shadow"))),
        (
            "a hard link within the layer",
            one(new().file("n1", 0o644, b"n").hard_link("n2", "n1").hard_link("var/n3", "n1")),
        ),
        ("a hard link to a link", one(new().link("l1", "etc/passwd").hard_link("l2", "l1"))),
        ("special files", one(new().fifo("run/p", 0o600).device("run/zero", 0o600))),
        (
            "duplicates",
            one(new()
                .file("d", 0o644, b"1")
                .file("d", 0o600, b"22")
                .dir("d2/", 0o700)
                .dir("d2/", 0o711)),
        ),
        (
            "a grandchild meets a merged view",
            vec![
                new().owner(5, 5).dir("opt/deep/", 0o770).file("opt/b", 0o644, b"b").finish(),
                new().file("opt/deep/er/z", 0o644, b"z").file("opt/c", 0o644, b"c").finish(),
            ],
        ),
        (
            "a grandchild where the child hid things",
            vec![new().whiteout("opt").finish(), new().file("opt/deep/er/z", 0o644, b"z").finish()],
        ),
        (
            "a grandchild where the child replaced a directory",
            vec![
                new().whiteout("opt").link("opt", "var").finish(),
                new().file("opt/lib/z", 0o644, b"z").finish(),
            ],
        ),
        (
            "a grandchild below an opaque directory",
            vec![
                new().dir("opt/", 0o755).opaque("opt").finish(),
                new().file("opt/deep/z", 0o644, b"z").whiteout("opt/deep/er").finish(),
            ],
        ),
        (
            "a file moved by whiteout and copy",
            vec![
                new().whiteout("etc/shadow").file("var/lib/shadow", 0o640, b"secret\n").finish(),
                new().whiteout("var/lib/shadow").finish(),
            ],
        ),
    ]
}

/// One of them on the base.
pub fn layers_of(odd: &Layers) -> Layers {
    std::iter::once(base().finish()).chain(odd.iter().cloned()).collect()
}
