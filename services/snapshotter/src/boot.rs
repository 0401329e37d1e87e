//! Which boot of the machine this is: page cache survives a process, and not a boot.

use varve_core::{Error, Result};

/// The kernel's random id of this boot.
pub(crate) fn current() -> Result<String> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    let id = std::fs::read_to_string(PATH).map_err(|error| Error::io(PATH, error))?;
    Ok(id.trim().to_owned())
}
