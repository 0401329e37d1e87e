//! The root: where everything is kept, and the lock that gives it one owner.
//!
//! The directory and all above it that had to be made are 0700: what images contain (programs with
//! setuid among it) is nobody else's to run.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use varve_core::{Error, Result};

/// How often a lock that another process holds is tried again.
const POLL: Duration = Duration::from_millis(50);
/// Tries before it is told whom for.
const SILENT: u32 = 4;
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

/// An owned root.
#[derive(Debug)]
pub struct Root {
    pub path: PathBuf,
    /// Held as long as it is open; the kernel frees it however this process ends.
    _lock: File,
}

impl Root {
    /// Makes the directory where there is none and waits until nobody else owns it; `waiting` is
    /// told once whom it waits for, where it takes long enough to be seen.
    pub async fn own(path: &Path, waiting: impl FnOnce(&str)) -> Result<Self> {
        let path = prepare(path)?;
        let mut file = open_lock(&path)?;
        let mut waiting = Some(waiting);
        let mut tries = 0;
        while !try_lock(&file, &path)? {
            tries += 1;
            // Most commands are done before a person would have read it.
            if let Some(tell) = waiting.take_if(|_| tries == SILENT) {
                tell(&owner(&file));
            }
            tokio::time::sleep(POLL).await;
        }
        // Only a hint for those who wait: that it could not be written is no reason to stop.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { path, _lock: file })
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

/// The owner, for a message: `process 123`.
fn owner(file: &File) -> String {
    let mut text = String::new();
    let _ = file.take(20).read_to_string(&mut text);
    match text.trim().parse::<u32>() {
        Ok(pid) => format!("process {pid}"),
        Err(_) => "another varve".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_new_root_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::own(&dir.path().join("a/b"), |_| {}).await.unwrap();
        assert_eq!(fs::metadata(&root.path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn a_directory_with_other_things_in_it_is_no_root() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.path().join("letter"), "").unwrap();
        let error = Root::own(dir.path(), |_| {}).await.unwrap_err();
        assert!(error.message().contains("a directory of its own"), "{}", error.message());
    }

    #[tokio::test]
    async fn a_file_is_no_root() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Root::own(file.path(), |_| {}).await.unwrap_err();
        assert!(error.message().ends_with("is no directory; give another: --root DIR"));
    }

    #[tokio::test]
    async fn a_second_owner_waits_and_says_for_whom() {
        let dir = tempfile::tempdir().unwrap();
        let first = Root::own(dir.path(), |_| panic!("nobody is there")).await.unwrap();
        let path = dir.path().to_owned();
        let (told, hears) = std::sync::mpsc::channel();
        let second = tokio::spawn(async move {
            Root::own(&path, move |whom| told.send(whom.to_owned()).unwrap()).await.unwrap()
        });
        let whom = tokio::task::spawn_blocking(move || hears.recv().unwrap()).await.unwrap();
        assert_eq!(whom, format!("process {}", std::process::id()));
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap();
    }
}
