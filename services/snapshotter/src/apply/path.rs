//! Names as an archive writes them, made clean against the root.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Limits;

/// A path below the root: components joined by `/`, none of them empty, `.` or `..`; the root
/// itself is empty. Bytes, not text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// Cleans a name as containerd and umoci do: it is taken from the root, and `..` at the root
    /// stays there. Says why where no file system could hold it.
    pub(super) fn clean(name: &[u8], limits: &Limits) -> Result<Self, String> {
        if name.contains(&0) {
            return Err("its name has a NUL".into());
        }
        if name.len() > limits.path {
            return Err(format!("its name is longer than {} bytes", limits.path));
        }
        let mut path = Self(Vec::with_capacity(name.len()));
        for component in name.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => path.pop(),
                // A whiteout's name is no file's: it may hide one of the longest name.
                name if name.strip_prefix(b".wh.").unwrap_or(name).len() > limits.name => {
                    return Err(format!("a part of its name is longer than {}", limits.name));
                }
                name => path.push(name),
            }
        }
        Ok(path)
    }

    pub(super) fn push(&mut self, component: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(component);
    }

    pub(super) fn pop(&mut self) {
        let end = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.0.truncate(end);
    }

    /// This path with one component more.
    pub fn join(&self, component: &[u8]) -> Self {
        let mut path = Self(Vec::with_capacity(self.0.len() + 1 + component.len()));
        path.0.extend_from_slice(&self.0);
        path.push(component);
        path
    }

    /// The directory that holds it, as bytes, and its name; `None` for the root.
    pub fn split(&self) -> Option<(&[u8], &OsStr)> {
        if self.is_root() {
            return None;
        }
        let (dir, name) = match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (&self.0[..slash], &self.0[slash + 1..]),
            None => (&[][..], &self.0[..]),
        };
        Some((dir, OsStr::from_bytes(name)))
    }

    /// The directory that holds it; the root's is the root.
    pub fn parent(&self) -> Self {
        let mut parent = self.clone();
        parent.pop();
        parent
    }

    /// It, the directory that holds it, and so on up to the root.
    pub fn ancestors(&self) -> impl Iterator<Item = TreePath> {
        let above = |path: &TreePath| (!path.is_root()).then(|| path.parent());
        std::iter::successors(Some(self.clone()), above)
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &OsStr {
        self.split().map_or(OsStr::new(""), |(_, name)| name)
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is `other` or below it.
    pub fn is_within(&self, other: &TreePath) -> bool {
        other.is_root()
            || self.0.starts_with(&other.0)
                && self.0.get(other.0.len()).is_none_or(|&byte| byte == b'/')
    }

    pub fn components(&self) -> impl Iterator<Item = &OsStr> {
        self.0.split(|&byte| byte == b'/').filter(|c| !c.is_empty()).map(OsStr::from_bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Relative to the root; `.` for the root itself, so that it can be given to `openat`.
    pub fn as_path(&self) -> &Path {
        if self.is_root() { Path::new(".") } else { Path::new(OsStr::from_bytes(&self.0)) }
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path().fmt(f)
    }
}
