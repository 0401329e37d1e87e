//! One owner for a directory: a lock file that the kernel releases when the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use varve_core::{Error, Kind, Result};

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
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(busy(&mut file, dir, name)),
        Err(TryLockError::Error(error)) => {
            return Err(Error::io(format!("locking {}", path.display()), error));
        }
    }
    // The number is a hint for messages; that it could not be written is no reason to stop.
    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(file)
}

fn busy(file: &mut File, dir: &Path, name: &str) -> Error {
    let mut holder = String::new();
    let _ = file.take(20).read_to_string(&mut holder);
    let holder = match holder.trim().parse::<u32>() {
        Ok(pid) => format!(" (process {pid})"),
        Err(_) => String::new(),
    };
    Error::new(
        Kind::Unavailable,
        format!(
            "another varve{holder} is using the {name} database in {}; wait for it or stop it",
            dir.display()
        ),
    )
}
