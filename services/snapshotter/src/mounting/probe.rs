//! Whether overlayfs works on a file system: found out by doing it, once a boot.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{FileType, Mode, XattrFlags, makedev};
use varve_core::{Error, Mount, Result};

use super::detached;
use crate::tree;

const PREFIX: &str = ".probe-";
/// Says for which kernel and which rights it was seen to work: nothing else can change the answer.
const SEEN: &str = ".overlayfs-works";

/// A probe takes milliseconds.
const ABANDONED: Duration = Duration::from_secs(600);

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Mounts a small overlay below `root` (which it makes where it is not there), hides a file of its
/// lower layer, and removes everything again. What was seen to work is believed until the next boot,
/// by processes with the same rights.
pub fn probe(root: &Path) -> Result<()> {
    tree::make_private(root)?;
    let (seen, rights) = (root.join(SEEN), rights());
    if rights.is_some() && fs::read_to_string(&seen).ok() == rights {
        return Ok(());
    }
    sweep(root);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = root.join(format!("{PREFIX}{}-{number}", std::process::id()));
    tree::remove(&dir)?;
    let tried = attempt(&dir);
    let removed = tree::remove(&dir);
    tried.and(removed)?;
    if let Some(rights) = rights {
        // Only saves the next one its probe.
        let _ = fs::write(&seen, rights);
    }
    Ok(())
}

/// This boot, this user namespace, and what this process may do in it.
fn rights() -> Option<String> {
    let boot = varve_core::boot_id().ok()?;
    let users = fs::metadata("/proc/self/ns/user").ok()?.ino();
    let may = rustix::thread::capabilities(None).ok()?.effective.bits();
    Some(format!("{boot} {users} {may:x}\n"))
}

/// Removes what probes left that were killed.
fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let age = |path: &Path| fs::metadata(path).ok()?.modified().ok()?.elapsed().ok();
        if ours && age(&entry.path()).is_some_and(|age| age > ABANDONED) {
            let _ = tree::remove(&entry.path());
        }
    }
}

fn attempt(dir: &Path) -> Result<()> {
    let failed = |error| Error::io(format!("trying overlayfs in {}", dir.display()), error);
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    for name in ["", "low", "low/sub", "mid", "up", "work", "at"] {
        fs::create_dir(dir.join(name)).map_err(failed)?;
    }
    fs::write(dir.join("low/hidden"), b"x").map_err(failed)?;
    prepare_middle(&dir.join("mid")).map_err(|errno| failed(errno.into()))?;
    let options = vec![
        "index=off".into(),
        format!("workdir={}", path("work")),
        format!("upperdir={}", path("up")),
        format!("lowerdir={}:{}", path("mid"), path("low")),
    ];
    let mount =
        Mount { kind: "overlay".into(), source: "overlay".into(), target: String::new(), options };
    let mounted = detached(&[mount], || Ok(dir.join("at")))?;
    let there = rustix::fs::statat(mounted.root(), "hidden", rustix::fs::AtFlags::empty());
    match there {
        Err(rustix::io::Errno::NOENT) => {}
        _ => return Err(Error::precondition("whiteouts do not work here")),
    }
    rustix::fs::mkdirat(mounted.root(), "sub/new", Mode::RWXU).map_err(|errno| failed(errno.into()))
}

/// A whiteout and an attribute of overlayfs's own.
fn prepare_middle(middle: &Path) -> rustix::io::Result<()> {
    let dir = rustix::fs::open(middle, rustix::fs::OFlags::DIRECTORY, Mode::empty())?;
    rustix::fs::mknodat(&dir, "hidden", FileType::CharacterDevice, Mode::empty(), makedev(0, 0))?;
    rustix::fs::fsetxattr(&dir, "trusted.overlay.opaque", b"n", XattrFlags::empty())
}
