//! A container's root directory, seen from outside: what is opened, made or replaced in it stays in it,
//! whatever links the image has (openat2(2), RESOLVE_IN_ROOT; CVE-2026-41579, CVE-2026-55686).

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode, ResolveFlags};
use rustix::io::Errno;
use varve_core::{Error, Kind, Result};

/// Largest file that is read of a container (its passwd, its group), in bytes.
const MAX_FILE: u64 = 4 << 20;
const DIR_MODE: RawMode = 0o755;

/// A directory in which every path is looked up as if it were `/`.
pub struct Below {
    root: OwnedFd,
    path: PathBuf,
}

impl Below {
    /// `root` itself must be no link.
    pub fn open(root: &Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(root, flags, Mode::empty());
        let fd = fd.map_err(|errno| Error::io(root.display(), errno.into()))?;
        Ok(Self { root: fd, path: root.to_owned() })
    }

    /// An open directory, which errors call `path`.
    pub fn of(root: OwnedFd, path: &Path) -> Self {
        Self { root, path: path.to_owned() }
    }

    /// The text of a regular file; `None` where there is none. Links are followed below the root.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        // A fifo would have its reader wait.
        let fd = match self.at(path, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(errno) => return Err(self.failed(path, errno)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|errno| self.failed(path, errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let read = File::from(fd).take(MAX_FILE + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::io(format!("{path} of the container"), error))?;
        if bytes.len() as u64 > MAX_FILE {
            let message = format!("{path} of the container: larger than {MAX_FILE} bytes");
            return Err(Error::exhausted(message));
        }
        Ok(Some(bytes))
    }

    /// Makes the directory `path` and those above it where they are missing, following links below the
    /// root, and answers where it really is, from the root.
    pub fn make_dir(&self, path: &str) -> Result<PathBuf> {
        let mut so_far = PathBuf::from("/");
        for name in names(path) {
            let parent = self.dir(&so_far)?;
            so_far.push(name);
            match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(DIR_MODE)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.failed(&so_far.display().to_string(), errno)),
            }
        }
        let made = self.dir(&so_far)?;
        self.place_of(&made)
    }

    /// Has a directory at `path`, whose last component is then no link and no file of the image.
    pub fn own_dir(&self, path: &str) -> Result<()> {
        self.own(path, FileType::Directory, |parent, name| {
            rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(DIR_MODE))
        })
    }

    /// Has a regular file at `path`, whose last component is then no link.
    pub fn own_file(&self, path: &str) -> Result<()> {
        self.own(path, FileType::RegularFile, |parent, name| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(0o644);
            rustix::fs::openat(parent, name, flags, mode).map(drop)
        })
    }

    fn own(
        &self,
        path: &str,
        kind: FileType,
        make: impl FnOnce(&OwnedFd, &str) -> rustix::io::Result<()>,
    ) -> Result<()> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.dir(&self.make_dir(parent)?)?;
        let failed = |errno| self.failed(path, errno);
        match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == kind => return Ok(()),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                return Err(Error::precondition(format!("{path} of the image is a directory")));
            }
            Ok(_) => {
                rustix::fs::unlinkat(&parent, name, AtFlags::empty()).map_err(failed)?;
            }
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(failed(errno)),
        }
        make(&parent, name).map_err(failed)
    }

    fn dir(&self, path: &Path) -> Result<OwnedFd> {
        let text = path.display().to_string();
        self.at(&text, OFlags::PATH | OFlags::DIRECTORY).map_err(|errno| self.failed(&text, errno))
    }

    fn at(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if path.is_empty() { "/" } else { path };
        rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// Where an open directory is, from the root.
    fn place_of(&self, dir: &OwnedFd) -> Result<PathBuf> {
        let link = |fd: &OwnedFd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        let failed = |error| Error::io(self.path.display(), error);
        let (root, place) = (link(&self.root).map_err(failed)?, link(dir).map_err(failed)?);
        let inside = place.strip_prefix(&root).map_err(|_| {
            Error::new(
                Kind::Internal,
                format!("{} is not below {}", place.display(), root.display()),
            )
        })?;
        Ok(Path::new("/").join(inside))
    }

    fn failed(&self, path: &str, errno: Errno) -> Error {
        Error::io(format!("{path} of the container"), errno.into())
    }
}

/// The names of a path, as walking it would take them: `..` takes the one before away.
fn names(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => names.extend(name.to_str()),
            Component::ParentDir => drop(names.pop()),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf, Below) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("rootfs");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(dir.path().join("secret"), "of the host").unwrap();
        let below = Below::open(&root).unwrap();
        (dir, root, below)
    }

    #[test]
    fn a_link_out_of_the_root_leads_to_nothing_and_one_inside_to_its_target() {
        let (dir, root, below) = root();
        symlink(dir.path().join("secret"), root.join("etc/passwd")).unwrap();
        symlink("../../secret", root.join("etc/group")).unwrap();
        assert_eq!(below.read("/etc/passwd").unwrap(), None);
        assert_eq!(below.read("/etc/group").unwrap(), None);
        fs::write(root.join("real"), "inside").unwrap();
        symlink("/real", root.join("etc/link")).unwrap();
        assert_eq!(below.read("/etc/link").unwrap().as_deref(), Some(&b"inside"[..]));
    }

    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let (_dir, root, below) = root();
        let fifo = root.join("etc/passwd");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::from_raw_mode(0o644)).unwrap();
        assert_eq!(below.read("/etc/passwd").unwrap(), None);
        assert_eq!(below.read("/etc").unwrap(), None);
    }

    #[test]
    fn directories_are_made_inside_whatever_links_there_are() {
        let (dir, root, below) = root();
        symlink(dir.path(), root.join("out")).unwrap();
        fs::create_dir_all(dir.path().join("target")).unwrap();
        assert!(below.make_dir("/out/target/x").is_err(), "the link's target is not in the root");
        assert!(!dir.path().join("target/x").exists());
        symlink("/srv/app", root.join("app")).unwrap();
        fs::create_dir_all(root.join("srv/app")).unwrap();
        assert_eq!(below.make_dir("/app/a/../b").unwrap(), Path::new("/srv/app/b"));
        assert_eq!(below.make_dir("/../../x").unwrap(), Path::new("/x"));
        assert!(root.join("x").is_dir() && root.join("srv/app/b").is_dir());
    }

    #[test]
    fn a_link_where_something_is_mounted_is_replaced_and_its_target_is_left_alone() {
        let (dir, root, below) = root();
        symlink(dir.path(), root.join("dev")).unwrap();
        symlink(dir.path().join("secret"), root.join("etc/hosts")).unwrap();
        below.own_dir("/dev").unwrap();
        below.own_file("/etc/hosts").unwrap();
        assert!(root.join("dev").symlink_metadata().unwrap().is_dir());
        assert!(root.join("etc/hosts").symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read_to_string(dir.path().join("secret")).unwrap(), "of the host");
        below.own_file("/etc/hosts").unwrap();
        assert!(below.own_file("/etc").is_err());
    }
}
