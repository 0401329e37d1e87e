//! One owner for a directory: a lock file that the kernel releases when the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use varve_core::{Error, Kind, Result};

/// How long a lock that this process has just let go of may seem to be held: a child that is being
/// started has a copy of every descriptor until its exec.
const SPAWNING: Duration = Duration::from_millis(500);

/// Locks `dir/lock`, or says who has it. The lock is held as long as the file is open.
pub(crate) fn take(dir: &Path, name: &str) -> Result<File> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| Error::io(format!("the lock {}", path.display()), error))?;
    let until = Instant::now() + SPAWNING;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&file);
                if holder != Some(std::process::id()) || Instant::now() > until {
                    return Err(busy(holder, dir, name));
                }
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::io(format!("locking {}", path.display()), error));
            }
        }
    }
    // The number is a hint for messages; that it could not be written is no reason to stop.
    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(file)
}

/// The process that says that it holds the lock.
fn holder(file: &File) -> Option<u32> {
    let mut text = [0; 20];
    let read = file.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(&text[..read]).ok()?.trim().parse().ok()
}

fn busy(holder: Option<u32>, dir: &Path, name: &str) -> Error {
    let holder = holder.map_or(String::new(), |pid| format!(" (process {pid})"));
    Error::new(
        Kind::Unavailable,
        format!(
            "another varve{holder} is using the {name} database in {}; wait for it or stop it",
            dir.display()
        ),
    )
}
