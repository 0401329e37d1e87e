//! Files that two processes of one machine may both see: a path, and what tells whether it leads to
//! the same file from there.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::LazyLock;

use rustix::fs::OFlags;
use varve_proto::varve::content::v1 as wire;

/// Device and inode numbers mean nothing on another machine, nor after another boot.
static BOOT_ID: LazyLock<Option<String>> = LazyLock::new(|| varve_core::boot_id().ok());

/// The file at `path` for others; `None` where it cannot be named.
pub fn name(file: &File, path: &Path) -> Option<wire::File> {
    let facts = file.metadata().ok()?;
    Some(wire::File {
        path: path.to_str()?.to_owned(),
        boot_id: BOOT_ID.clone()?,
        device: facts.dev(),
        inode: facts.ino(),
    })
}

/// Opens it for reading, if it is the same from here.
pub async fn open(wire: wire::File) -> Option<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    tokio::task::spawn_blocking(move || open_blocking(&wire, &mut options)).await.ok()?
}

/// Opens it for writing, if it is the same from here.
pub async fn open_to_write(wire: wire::File) -> Option<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    tokio::task::spawn_blocking(move || open_blocking(&wire, &mut options)).await.ok()?
}

fn open_blocking(wire: &wire::File, options: &mut OpenOptions) -> Option<File> {
    let path = Path::new(&wire.path);
    if BOOT_ID.as_ref() != Some(&wire.boot_id) || !path.is_absolute() {
        return None;
    }
    // Whatever else stands there must not be followed, nor waited for.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = options.custom_flags(flags).open(path).ok()?;
    let facts = file.metadata().ok()?;
    let same = (facts.dev(), facts.ino()) == (wire.device, wire.inode);
    (same && facts.is_file()).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_file_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "x").unwrap();
        let named = name(&File::open(&path).unwrap(), &path).unwrap();
        assert!(open(named.clone()).await.is_some());
        let elsewhere = wire::File { boot_id: "another".into(), ..named.clone() };
        assert!(open(elsewhere).await.is_none());
        let other = wire::File { inode: named.inode + 1, ..named.clone() };
        assert!(open(other).await.is_none());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let linked = wire::File { path: link.to_str().unwrap().into(), ..named };
        assert!(open(linked).await.is_none());
    }
}
