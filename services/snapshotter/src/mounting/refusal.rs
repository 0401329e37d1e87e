//! What the kernel said when it refused.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use varve_core::Error;

/// The error for an overlay of so many layers (0: not told), with the kernel's words where it had some.
pub(super) fn refused(errno: Errno, layers: usize, fs: Option<&OwnedFd>) -> Error {
    let mut message = "the kernel refused the overlay".to_owned();
    if layers > 0 {
        message.push_str(&format!(" of {layers} layers"));
    }
    if let Some(said) = fs.and_then(said) {
        message.push_str(&format!(" ({said})"));
    }
    Error::io(message, errno.into())
}

/// The kernel's own words about the last failure.
pub(super) fn said(fs: &OwnedFd) -> Option<String> {
    let mut buffer = [0u8; 512];
    let len = rustix::io::read(fs, &mut buffer).ok()?;
    let text = String::from_utf8_lossy(&buffer[..len]);
    Some(text.trim().trim_start_matches("e ").to_owned()).filter(|text| !text.is_empty())
}
