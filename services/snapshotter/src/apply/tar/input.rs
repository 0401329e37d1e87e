//! The archive's bytes: blocks, bodies with their padding, and where we are.

use std::io::{self, BufRead, Read};

use super::super::{ApplyError, Cancel};
use super::BLOCK;

/// A reader that knows its offset and how much of the current body is left.
pub(super) struct Input<'a, R> {
    reader: R,
    cancel: &'a Cancel,
    offset: u64,
    /// Bytes of the body not yet read.
    left: u64,
    /// Bytes of padding behind it.
    padding: u64,
}

impl<'a, R: BufRead> Input<'a, R> {
    pub(super) fn new(reader: R, cancel: &'a Cancel) -> Self {
        Self { reader, cancel, offset: 0, left: 0, padding: 0 }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn bad(&self, why: impl Into<String>) -> ApplyError {
        ApplyError::Malformed { offset: self.offset, why: why.into() }
    }

    fn lost(&self, error: io::Error) -> ApplyError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.bad("it is cut off"),
            _ => ApplyError::Source(error),
        }
    }

    /// Fills `block`, or says that the stream ended just before it.
    pub(super) fn block_or_end(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, ApplyError> {
        self.cancel.check()?;
        let empty = self.reader.fill_buf().map(|rest| rest.is_empty());
        if empty.map_err(|error| self.lost(error))? {
            return Ok(false);
        }
        self.block(block).map(|()| true)
    }

    /// Fills `block` from outside of any body.
    pub(super) fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<(), ApplyError> {
        self.reader.read_exact(block).map_err(|error| self.lost(error))?;
        self.offset += BLOCK as u64;
        Ok(())
    }

    /// From here on stand `size` bytes of body.
    pub(super) fn begin_body(&mut self, size: u64) {
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK as u64).wrapping_sub(size) % BLOCK as u64;
    }

    /// `len` bytes of the body, which must be there.
    pub(super) fn read_body(&mut self, len: usize) -> Result<Vec<u8>, ApplyError> {
        let mut bytes = Vec::new();
        let read = self.body().take(len as u64).read_to_end(&mut bytes);
        read.map_err(ApplyError::body)?;
        if bytes.len() < len {
            return Err(self.bad("it is cut off"));
        }
        Ok(bytes)
    }

    pub(super) fn body(&mut self) -> Body<'_, 'a, R> {
        Body { input: self }
    }

    /// Leaves the body and its padding behind. A stream may end where the padding of its last body would begin: some
    /// writers (umoci's insert) leave it out with the end of the archive, and Go reads what they write.
    pub(super) fn skip_body(&mut self) -> Result<(), ApplyError> {
        let (mut rest, padding) = (self.left + self.padding, self.padding);
        (self.left, self.padding) = (0, 0);
        while rest > 0 {
            let len = self.some()?.min(rest as usize);
            if len == 0 && rest == padding {
                return Ok(());
            }
            if len == 0 {
                return Err(self.bad("it is cut off"));
            }
            self.take(len);
            rest -= len as u64;
        }
        Ok(())
    }

    /// Reads to the end of the stream.
    pub(super) fn drain(&mut self) -> Result<(), ApplyError> {
        loop {
            match self.some()? {
                0 => return Ok(()),
                len => self.take(len),
            }
        }
    }

    /// How many bytes are at hand; 0 at the end.
    fn some(&mut self) -> Result<usize, ApplyError> {
        self.cancel.check()?;
        let len = self.reader.fill_buf().map(|rest| rest.len());
        len.map_err(|error| self.lost(error))
    }

    fn take(&mut self, len: usize) {
        self.reader.consume(len);
        self.offset += len as u64;
    }
}

/// The stored bytes of one member. A body that is cut off is an error, never an early end.
pub struct Body<'i, 'a, R> {
    input: &'i mut Input<'a, R>,
}

impl<R: BufRead> BufRead for Body<'_, '_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.input.left == 0 {
            return Ok(&[]);
        }
        match self.input.some() {
            Ok(0) => return Err(io::Error::other(self.input.bad("it is cut off"))),
            Ok(_) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
        let rest = self.input.reader.fill_buf()?;
        let len = rest.len().min(usize::try_from(self.input.left).unwrap_or(usize::MAX));
        Ok(&rest[..len])
    }

    fn consume(&mut self, len: usize) {
        self.input.take(len);
        self.input.left -= len as u64;
    }
}

impl<R: BufRead> Read for Body<'_, '_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = self.fill_buf()?;
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        self.consume(len);
        Ok(len)
    }
}
