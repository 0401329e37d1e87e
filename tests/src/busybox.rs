//! A small image whose programs really run: the machine's busybox, which needs no library, and two accounts.

use std::fs;

use serde_json::{Value, json};
use varve_core::Platform;
use varve_core::testsuite::skipped;

use crate::image::{self, Content, Family, Packing};
use crate::layer::Layer;
use crate::peers;

/// What it can be called by.
const APPLETS: [&str; 24] = [
    "cat", "chmod", "chroot", "echo", "env", "false", "grep", "head", "hostname", "id", "ls",
    "mkdir", "mount", "pwd", "readlink", "rm", "sh", "sleep", "stty", "touch", "true", "tty",
    "unshare", "yes",
];
const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:The App:/home/app:/bin/sh\n";
const GROUP: &[u8] = b"root:x:0:\nwheel:x:10:root\naudio:x:29:app\napp:x:1001:\n";

/// The program, where the machine has one that runs in an empty tree; otherwise says loudly what is skipped.
pub fn program(test: &str) -> Option<Vec<u8>> {
    let bytes = peers::find("busybox").and_then(|path| fs::read(path).ok());
    let alone = bytes.filter(|bytes| has_loader(bytes) == Some(false));
    if alone.is_none() {
        skipped(format_args!("{test}: no busybox without libraries (Debian's busybox-static)"));
    }
    alone
}

/// Whether a program names a loader (PT_INTERP of elf(5)); `None` where the bytes are no 64-bit program.
fn has_loader(bytes: &[u8]) -> Option<bool> {
    const INTERPRETER: u32 = 3;
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(length)?)?.iter().rev();
        Some(bytes.fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let mut kinds = (0..count).map(|n| number(table + n * size, 4));
    Some(kinds.any(|kind| kind == Some(INTERPRETER as usize)))
}

/// Its lowest layer.
pub fn base(program: &[u8]) -> Layer {
    let layer = Layer::new()
        .dir("bin/", 0o755)
        .dir("etc/", 0o755)
        .dir("root/", 0o700)
        .dir("tmp/", 0o1777)
        .file("etc/passwd", 0o644, PASSWD)
        .file("etc/group", 0o644, GROUP)
        .file("bin/busybox", 0o755, program);
    APPLETS.iter().fold(layer, |layer, name| layer.symlink(&format!("bin/{name}"), "busybox"))
}

/// An image of these layers for this machine, whose containers run with `run`.
pub fn image(layers: &[Vec<u8>], run: Value) -> Content {
    let mut content = Content::default();
    content.image_with(Family::Oci, Packing::Gzip, &Platform::host(), layers, run);
    content
}

/// The usual one.
pub fn plain(program: &[u8]) -> Content {
    let run = json!({
        "Cmd": ["sh"], "Env": ["PATH=/bin", "GREETING=good day"], "Labels": {"stage": "test"},
    });
    image(&[base(program).finish()], run)
}

/// One that shares its lowest layer, and is a year older.
pub fn other(program: &[u8]) -> Content {
    let more = Layer::new().dir("srv/", 0o755).file("srv/more", 0o644, b"more");
    let layers = [base(program).finish(), more.finish()];
    let run = json!({"Entrypoint": ["cat"], "Cmd": ["/srv/more"], "Env": ["PATH=/bin"]});
    let mut config = image::config(&Platform::host(), &layers, run);
    config["created"] = "2023-01-02T03:04:05Z".into();
    let mut content = Content::default();
    content.image_of(Family::Oci, Packing::Gzip, &layers, &config);
    content
}
