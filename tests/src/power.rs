//! Power cuts: a disk that remembers every write and every flush, so that what it would have held at any moment at
//! which the power went can be made again.
//!
//! A disk with a cache promises only what was written before a flush that it answered. So of a cut at a moment all
//! writes before the last flush are there, and of those after it any, in blocks of 4 KiB. (The kernel's dm-log-writes
//! does the same; it is not in every kernel.)

mod disk;
mod log;

pub use disk::{Disk, Mounted};
pub use log::{Log, Moment};
