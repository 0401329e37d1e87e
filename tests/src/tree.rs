//! Trees as lists: one line an entry that says all that a layer can say of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use varve_core::Hasher;

/// Path below the root to the line that describes it.
pub type Listing = BTreeMap<PathBuf, String>;

/// Lists the tree below `root`: type, mode, owner, size, modification time in nanoseconds, link
/// target, device, group of hard links, extended attributes, hash of the content.
///
/// What no layer says is left out: when the root was modified, and times of `since` and later, which
/// are those of directories that only unpacking made.
pub fn list(root: &Path, since: SystemTime) -> io::Result<Listing> {
    let mut walk = Walk { root, since, listing: Listing::new(), links: HashMap::new() };
    let meta = fs::symlink_metadata(root)?;
    let about = format!("mode {:o} owner {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid());
    walk.listing.insert(PathBuf::new(), about);
    walk.directory(Path::new(""))?;
    walk.join_links();
    Ok(walk.listing)
}

struct Walk<'a> {
    root: &'a Path,
    since: SystemTime,
    listing: Listing,
    /// Device and inode to the names that lead there.
    links: HashMap<(u64, u64), Vec<PathBuf>>,
}

impl Walk<'_> {
    fn directory(&mut self, below: &Path) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join(below))? {
            let path = below.join(entry?.file_name());
            let full = self.root.join(&path);
            let meta = fs::symlink_metadata(&full)?;
            let line = self.describe(&full, &meta)?;
            self.listing.insert(path.clone(), line);
            if meta.is_dir() {
                self.directory(&path)?;
            } else if meta.nlink() > 1 {
                self.links.entry((meta.dev(), meta.ino())).or_default().push(path);
            }
        }
        Ok(())
    }

    /// Names of one file are told by the first of them; a link count alone is not compared, since it
    /// counts names that an upper layer hides.
    fn join_links(&mut self) {
        for names in self.links.values_mut().filter(|names| names.len() > 1) {
            names.sort();
            for name in names.iter() {
                if let Some(line) = self.listing.get_mut(name) {
                    let _ = write!(line, " linked with {:?}", names[0]);
                }
            }
        }
    }

    fn describe(&self, full: &Path, meta: &Metadata) -> io::Result<String> {
        let time = match meta.modified()? {
            recent if recent >= self.since => "new".to_owned(),
            _ => format!("{}.{:09}", meta.mtime(), meta.mtime_nsec()),
        };
        let mut line = format!(
            "mode {:o} owner {}:{} mtime {time} {}",
            meta.mode() & 0o7777,
            meta.uid(),
            meta.gid(),
            kind(full, meta)?
        );
        for (name, value) in xattrs(full)? {
            let _ = write!(line, " xattr {name}={}", value.escape_ascii());
        }
        Ok(line)
    }
}

fn kind(full: &Path, meta: &Metadata) -> io::Result<String> {
    let kind = meta.file_type();
    Ok(if kind.is_dir() {
        "dir".into()
    } else if kind.is_symlink() {
        format!("symlink to {:?}", fs::read_link(full)?)
    } else if kind.is_file() {
        format!("file size {} hash {}", meta.len(), hash(full)?)
    } else if kind.is_fifo() {
        "fifo".into()
    } else {
        let class = if kind.is_block_device() { "block" } else { "char" };
        format!("{class} device {:x}", meta.rdev())
    })
}

fn hash(path: &Path) -> io::Result<varve_core::Digest> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.digest()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Sorted; those of the machine's own security modules are left out.
fn xattrs(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut names = vec![0u8; 64 << 10];
    let len = rustix::fs::llistxattr(path, &mut names)?;
    let mut found = BTreeMap::new();
    for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name == b"security.selinux" || name == b"security.ima" {
            continue;
        }
        let mut value = vec![0u8; 64 << 10];
        let name = std::ffi::OsString::from_vec(name.to_vec());
        let len = rustix::fs::lgetxattr(path, name.as_os_str(), &mut value)?;
        value.truncate(len);
        found.insert(String::from_utf8_lossy(name.as_bytes()).into_owned(), value);
    }
    Ok(found)
}

/// What differs, a line each; empty where the two trees are the same.
pub fn differences(ours: &Listing, theirs: &Listing) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, line) in ours {
        match theirs.get(path) {
            None => lines.push(format!("{path:?}: only ours: {line}")),
            Some(other) if other != line => {
                lines.push(format!("{path:?}:\n  ours   {line}\n  theirs {other}"));
            }
            Some(_) => {}
        }
    }
    let missing = theirs.iter().filter(|(path, _)| !ours.contains_key(*path));
    lines.extend(missing.map(|(path, line)| format!("{path:?}: only theirs: {line}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_trees_that_differ_in_one_mode_are_seen_to_differ() {
        use std::os::unix::fs::PermissionsExt;
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for dir in [&a, &b] {
            fs::write(dir.path().join("f"), "x").unwrap();
            let times = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
            let file = fs::File::options().write(true).open(dir.path().join("f")).unwrap();
            file.set_times(times).unwrap();
        }
        let now = SystemTime::now();
        let (ours, theirs) = (list(a.path(), now).unwrap(), list(b.path(), now).unwrap());
        assert_eq!(differences(&ours, &theirs), Vec::<String>::new());
        fs::set_permissions(b.path().join("f"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(differences(&ours, &list(b.path(), now).unwrap()).len(), 1);
    }

    #[test]
    fn hard_links_are_seen_as_a_group() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "x").unwrap();
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        let listing = list(dir.path(), SystemTime::now()).unwrap();
        assert!(listing[Path::new("b")].contains("linked with \"a\""));
    }
}
