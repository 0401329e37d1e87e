//! Where checked entries go: a driver picks how a layer is laid down.

use std::io::BufRead;

use super::{ApplyError, Entry};

/// Takes the entries of one layer in the archive's order.
///
/// Entries are checked: names are clean and relative to the root, whiteouts are parsed, reserved
/// xattrs are gone. What an entry *means* beside the others (duplicates, hard links, whiteouts of
/// what the same layer made) is the sink's to decide.
pub trait Sink {
    /// What is known once all entries are laid down.
    type Output;

    /// Lays down one entry. `body` gives the stored bytes of a file (of a sparse one, those of its
    /// extents, one after the other) and nothing for all else; what is not read is skipped.
    fn entry(&mut self, entry: &Entry, body: &mut dyn BufRead) -> Result<(), ApplyError>;

    /// The archive has ended, and its stream was good to the last byte.
    fn finish(self) -> Result<Self::Output, ApplyError>;
}
