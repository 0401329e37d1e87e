//! bsdtar: it writes what it read as a new archive, in which there is nothing odd.

use std::path::Path;
use std::process::Command;

use super::output;
use super::seen::{self, Seen};

pub fn read(file: &Path) -> Result<Vec<Seen>, String> {
    let mut source = std::ffi::OsString::from("@");
    source.push(file);
    let copy =
        output(Command::new("bsdtar").args(["-P", "-c", "-f", "-", "--format=pax"]).arg(source))?;
    seen::varve(&copy)
}
