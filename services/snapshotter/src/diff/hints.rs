//! Where to look: if the upper stack of an overlay is the lower one with a few directories on top, then
//! nothing differs but what those directories hold.
//!
//! They are looked at as they are on the disk, and only for names: what is there, the mounted trees tell.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::error::failed;
use super::{DiffError, TreePath};
use crate::tree::{names, open_below, read_xattr};

/// The directories between two stacks.
pub(crate) struct Hints(Vec<OwnedFd>);

/// What to look at in one directory.
#[derive(Default)]
pub(super) struct Hint {
    pub names: Vec<OsString>,
    /// A directory of the stack hides what is below it here: all names of both trees are to be
    /// compared, here and below.
    pub all: bool,
}

impl Hints {
    /// Those of the open directories `between`, in any order.
    pub fn new(between: Vec<OwnedFd>) -> Self {
        Self(between)
    }

    /// # Errors
    /// Unsayable for what an overlay writes only where it was told to: it refers to other layers.
    pub(super) fn at(&self, path: &TreePath) -> Result<Hint, DiffError> {
        let mut hint = Hint::default();
        for layer in &self.0 {
            match open_below(layer, path.as_path()) {
                Ok(dir) => hint.add(&dir, path)?,
                Err(Errno::NOENT) => {}
                // It, or something on the way, is a whiteout, a file or a link in this one.
                Err(Errno::NOTDIR | Errno::LOOP) => hint.all = true,
                Err(errno) => return Err(failed("opening", path)(errno)),
            }
        }
        Ok(hint)
    }
}

impl Hint {
    fn add(&mut self, dir: &OwnedFd, path: &TreePath) -> Result<(), DiffError> {
        // The link itself has none: it is gone through.
        let proc = PathBuf::from(format!("/proc/self/fd/{}/.", dir.as_raw_fd()));
        let has = |at: &Path, name: &str, of: &TreePath| {
            overlay_xattr(at, name).map_err(failed("reading an xattr of", of))
        };
        let refuse = |of: &TreePath| {
            let why =
                "an overlay wrote it with redirect_dir or metacopy; turn these off to mount it";
            Err(DiffError::unsayable(of, why))
        };
        if has(&proc, "trusted.overlay.redirect", path)?.is_some() {
            return refuse(path);
        }
        self.all |= has(&proc, "trusted.overlay.opaque", path)?.is_some_and(|value| value == b"y");
        for name in names(dir).map_err(failed("listing", path))? {
            let child = path.join(name.as_os_str().as_encoded_bytes());
            if has(&proc.join(&name), "trusted.overlay.metacopy", &child)?.is_some() {
                return refuse(&child);
            }
            self.names.push(name.into_os_string());
        }
        Ok(())
    }
}

fn overlay_xattr(at: &Path, name: &str) -> Result<Option<Vec<u8>>, Errno> {
    match read_xattr(|buffer| rustix::fs::lgetxattr(at, name, buffer)) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
