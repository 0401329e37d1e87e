//! Which boot of the machine this is: mounts, processes and the page cache do not outlive it.

use crate::error::{Error, Result};

/// The kernel's random id of this boot (random(4)).
pub fn boot_id() -> Result<String> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let id = std::fs::read_to_string(PATH).map_err(|error| Error::io(PATH, error))?;
    Ok(id.trim().to_owned())
}
