//! What an archive is written through: hashed for its diff id, then compressed. The same archive makes
//! the same bytes: no time and no name stands in them.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use varve_core::oci::Compression;
use varve_core::{DiffId, Hasher};

use super::DiffError;

/// The level that zstd takes for its default.
const ZSTD: i32 = 3;

enum Encoder<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

/// Hashes and compresses what is written, at most `limit` bytes.
pub(super) struct Compressor<W: Write> {
    encoder: Encoder<W>,
    hasher: Hasher,
    limit: u64,
}

impl<W: Write> Compressor<W> {
    pub fn new(out: W, compression: Compression, limit: u64) -> io::Result<Self> {
        let encoder = match compression {
            Compression::None => Encoder::None(out),
            Compression::Gzip => Encoder::Gzip(GzEncoder::new(out, flate2::Compression::default())),
            Compression::Zstd => Encoder::Zstd(zstd::Encoder::new(out, ZSTD)?),
        };
        Ok(Self { encoder, hasher: Hasher::new(), limit })
    }

    /// Ends the stream.
    pub fn finish(self) -> io::Result<(DiffId, W)> {
        let diff_id = DiffId(self.hasher.digest());
        let out = match self.encoder {
            Encoder::None(out) => out,
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => encoder.finish()?,
        };
        Ok((diff_id, out))
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.hasher.len() + bytes.len() as u64 > self.limit {
            return Err(io::Error::other(DiffError::limit("more bytes", self.limit)));
        }
        let written = match &mut self.encoder {
            Encoder::None(out) => out.write(bytes),
            Encoder::Gzip(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
        }?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.encoder {
            Encoder::None(out) => out.flush(),
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
        }
    }
}
