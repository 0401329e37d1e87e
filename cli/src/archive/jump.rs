//! Finding the entries of a tar file without reading what is in them.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use varve_core::{Error, Result};
use varve_snapshotter::apply::{Archive, Cancel, Limits};

use super::entry::{self, Entry, What};

/// What stands for bytes that are jumped over.
static NOTHING: [u8; 64 << 10] = [0; 64 << 10];

/// The entries of a file that is a plain tar, from where it stands. Blocks.
pub fn entries(file: File, limits: &Limits, most: usize) -> Result<Vec<Entry>> {
    let len = file.metadata().map_err(|error| Error::io("reading it", error))?.len();
    let jump = Rc::new(Cell::new(0));
    let reader = Jumper { file: BufReader::new(file), jump: jump.clone(), left: 0 };
    let cancel = Cancel::default();
    let mut archive = Archive::new(reader, limits, &cancel);
    let (mut all, mut seen) = (Vec::new(), 0);
    while let Some(entry) = entry::next(&mut archive, &mut seen, most)? {
        if let What::File { size, offset } = entry.what {
            if offset.checked_add(size).is_none_or(|end| end > len) {
                return Err(Error::invalid(format!(
                    "is cut off: entry {:?} has {size} bytes, and the file ends before",
                    entry.name
                )));
            }
            jump.set(size);
        }
        all.push(entry);
    }
    Ok(all)
}

/// A reader that seeks where it is told that nobody looks at the next bytes, and gives zeros for them.
struct Jumper {
    file: BufReader<File>,
    /// Bytes to jump over, taken at the next read.
    jump: Rc<Cell<u64>>,
    /// Bytes that are jumped over and not yet given.
    left: u64,
}

impl BufRead for Jumper {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let jump = self.jump.take();
        if jump > 0 {
            self.file.seek_relative(jump.cast_signed())?;
            self.left = jump;
        }
        match self.left {
            0 => self.file.fill_buf(),
            left => Ok(&NOTHING[..NOTHING.len().min(usize::try_from(left).unwrap_or(usize::MAX))]),
        }
    }

    fn consume(&mut self, len: usize) {
        match self.left {
            0 => self.file.consume(len),
            _ => self.left -= len as u64,
        }
    }
}

impl Read for Jumper {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = self.fill_buf()?;
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        self.consume(len);
        Ok(len)
    }
}
