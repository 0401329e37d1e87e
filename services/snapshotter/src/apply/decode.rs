//! Decoders that stop where a stream inflates to more than it may.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::{ApplyError, Compression, Limits};

/// What zstd says of a window that is larger than it was allowed.
const TOO_LARGE: &str = "Frame requires too much memory for decoding";

/// The bytes that `input` inflates to, within the limits of a layer's: of all of it, of what comes out
/// of how much, and of a zstd window. What goes beyond is an error that carries an [`ApplyError`].
pub fn inflated<'a>(
    compression: Compression,
    input: impl BufRead + 'a,
    limits: &Limits,
) -> io::Result<Box<dyn Read + 'a>> {
    let consumed = Rc::new(Cell::new(0));
    let input = Counted { input, consumed: consumed.clone() };
    let reader: Box<dyn Read + 'a> = match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(input)?;
            decoder.window_log_max(limits.window_log())?;
            Box::new(decoder)
        }
    };
    Ok(Box::new(Bounded { reader, made: 0, consumed, limits: limits.clone() }))
}

/// An input that tells how much of it was consumed.
struct Counted<R> {
    input: R,
    consumed: Rc<Cell<u64>>,
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        self.consumed.set(self.consumed.get() + len as u64);
        self.input.consume(len);
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(into)?;
        self.consumed.set(self.consumed.get() + len as u64);
        Ok(len)
    }
}

/// A decoder whose output is counted beside its input.
struct Bounded<'a> {
    reader: Box<dyn Read + 'a>,
    made: u64,
    consumed: Rc<Cell<u64>>,
    limits: Limits,
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(into).map_err(|error| self.window(error))?;
        self.made += len as u64;
        self.check().map_err(io::Error::other)?;
        Ok(len)
    }
}

impl Bounded<'_> {
    fn check(&self) -> Result<(), ApplyError> {
        let Self { made, limits, .. } = self;
        if *made > limits.total_bytes {
            let what = "more uncompressed bytes";
            return Err(ApplyError::limit("total_bytes", what, limits.total_bytes));
        }
        let consumed = self.consumed.get();
        let most = consumed.saturating_mul(limits.ratio).max(limits.ratio_floor);
        if *made > most {
            let what = format!("{made} bytes in {consumed} compressed ones (ratio)");
            return Err(ApplyError::limit("ratio", what, limits.ratio));
        }
        Ok(())
    }

    /// The error, in our words where a zstd stream asks for more memory than it may have.
    fn window(&self, error: io::Error) -> io::Error {
        if !error.to_string().contains(TOO_LARGE) {
            return error;
        }
        let most = 1 << self.limits.window_log();
        io::Error::other(ApplyError::limit("window", "a larger zstd window", most))
    }
}
