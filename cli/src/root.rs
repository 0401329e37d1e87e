//! The root: where everything is kept, and the lock that gives it one owner.
//!
//! The directory and all above it that had to be made are 0700: what images contain (programs with
//! setuid among it) is nobody else's to run.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use varve_core::{Error, Result};

const LOCK: &str = "lock";

/// Where everything is kept: `given`, or the default of this user.
pub fn path(given: Option<&Path>) -> Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None if rustix::process::geteuid().is_root() => "/var/lib/varve".into(),
        None => data_home()?.join("varve"),
    };
    std::path::absolute(&path).map_err(|error| Error::io(format!("root {}", path.display()), error))
}

/// `$XDG_DATA_HOME`, or `~/.local/share` (XDG base directory specification: a relative one is void).
fn data_home() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share"))).ok_or_else(|| {
        Error::invalid(
            "neither XDG_DATA_HOME nor HOME is set; say where to keep images: --root DIR",
        )
    })
}

/// A root that may be owned: its directory, and the lock that says by whom.
#[derive(Debug)]
pub struct Candidate {
    path: PathBuf,
    lock: File,
}

/// An owned root.
#[derive(Debug)]
pub struct Root {
    pub path: PathBuf,
    /// Held as long as it is open; the kernel frees it however this process ends.
    _lock: File,
}

impl Candidate {
    /// Makes the directory where there is none.
    pub fn at(path: &Path) -> Result<Self> {
        let path = prepare(path)?;
        let lock = open_lock(&path)?;
        Ok(Self { path, lock })
    }

    /// Its real path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root, where nobody owns it; otherwise this candidate again.
    pub fn own(mut self) -> Result<Result<Root, Self>> {
        if !try_lock(&self.lock, &self.path)? {
            return Ok(Err(self));
        }
        // Only a hint for those who wait: that it could not be written is no reason to stop.
        let _ = self.lock.set_len(0).and_then(|()| writeln!(self.lock, "{}", std::process::id()));
        Ok(Ok(Root { path: self.path, _lock: self.lock }))
    }

    /// The owner, for a message: `process 123`.
    pub fn owner(&self) -> String {
        let mut text = [0; 20];
        let read = self.lock.read_at(&mut text, 0).unwrap_or(0);
        let pid = std::str::from_utf8(&text[..read]).unwrap_or_default().trim().parse::<u32>();
        pid.map_or_else(|_| "another varve".into(), |pid| format!("process {pid}"))
    }
}

/// The directory, made if need be, as its real path: mounts name it.
fn prepare(path: &Path) -> Result<PathBuf> {
    let failed = |error| Error::io(format!("root {}", path.display()), error);
    if !path.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    }
    if !path.is_dir() {
        let root = path.display();
        return Err(Error::invalid(format!(
            "root {root}: is no directory; give another: --root DIR"
        )));
    }
    let path = path.canonicalize().map_err(failed)?;
    let mode = fs::metadata(&path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        refuse_foreign(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(path)
}

/// A directory that others can enter is closed to them only where it is plainly ours or empty.
fn refuse_foreign(path: &Path) -> Result<()> {
    let failed = |error| Error::io(format!("root {}", path.display()), error);
    let empty = fs::read_dir(path).map_err(failed)?.next().is_none();
    if empty || path.join(LOCK).exists() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "root {}: holds other things and would be closed to other users; give a directory of its own",
        path.display()
    )))
}

fn open_lock(root: &Path) -> Result<File> {
    let path = root.join(LOCK);
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    open.map_err(|error| Error::io(format!("the lock {}", path.display()), error))
}

fn try_lock(file: &File, root: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(Error::io(format!("locking the root {}", root.display()), error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_root_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let root = Candidate::at(&dir.path().join("a/b")).unwrap().own().unwrap().unwrap();
        assert_eq!(fs::metadata(&root.path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_with_other_things_in_it_is_no_root() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("letter"), "").unwrap();
        let error = Candidate::at(dir.path()).unwrap_err();
        assert!(error.message().contains("a directory of its own"), "{}", error.message());
    }

    #[test]
    fn a_file_is_no_root() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Candidate::at(file.path()).unwrap_err();
        assert!(error.message().ends_with("is no directory; give another: --root DIR"));
    }

    #[test]
    fn a_root_has_one_owner_whom_the_second_can_name() {
        let dir = tempfile::tempdir().unwrap();
        let first = Candidate::at(dir.path()).unwrap().own().unwrap().unwrap();
        let second = Candidate::at(dir.path()).unwrap().own().unwrap().unwrap_err();
        assert_eq!(second.owner(), format!("process {}", std::process::id()));
        drop(first);
        assert!(second.own().unwrap().is_ok());
    }
}
