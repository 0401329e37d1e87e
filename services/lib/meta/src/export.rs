//! The export: every record as a line of text, replaced by rename, with which a lost database is
//! restored.
//!
//! ```text
//! varve-meta-export 1 SEQUENCE
//! KEY<tab>VALUE            bytes outside printable ASCII, and the backslash, as \xNN
//! end RECORDS CRC32        of all bytes before this line, in hexadecimal
//! ```
//!
//! What changed since stands in a file beside it (`more`), until that has grown.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use varve_core::Result;

use crate::db::Core;
use crate::engine::sync;
use crate::fault::Fault;
use crate::record::{MAX_KEY, MAX_VALUE};
use crate::state::State;

pub(crate) mod more;

const MAGIC: &str = "varve-meta-export 1";

/// The longest line that can be right: each byte of key and value takes at most four.
const MAX_LINE: u64 = 4 * (MAX_KEY + MAX_VALUE) as u64 + 64;

/// Where the export of the database in `dir` is.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("export")
}

/// The name under which a new export is written.
pub(crate) fn temporary(dir: &Path) -> PathBuf {
    dir.join("export.new")
}

/// Writes all committed records of `core`, whose state is `state`.
pub(crate) fn write(core: &Core, state: &State) -> Result<()> {
    let noun = || format!("the export of the {} database", core.name());
    let temporary = temporary(core.dir());
    let file = File::create(&temporary).map_err(|error| Fault::io(&temporary, error).about(noun()));
    let mut out = Summed::new(BufWriter::with_capacity(64 * 1024, file?));
    lines(core, state, &mut out)?
        .and_then(|records| out.finish(records))
        .map_err(|error| Fault::io(&temporary, error).about(noun()))?;
    replace(&temporary, core.dir()).map_err(|fault| fault.about(noun()))?;
    // Were it still there after a crash, it would not go on from this export.
    let _ = fs::remove_file(more::path(core.dir()));
    Ok(())
}

/// The header and the records; the outer error is a read's, the inner one a write's.
fn lines(core: &Core, state: &State, out: &mut Summed<impl Write>) -> Result<io::Result<u64>> {
    let mut records = 0;
    let mut written = writeln!(out, "{MAGIC} {}", state.seq);
    let mut text = Vec::new();
    core.walk(b"", false, &mut |key, value| {
        if written.is_ok() {
            text.clear();
            line(key, value, &mut text);
            written = out.write_all(&text);
            records += 1;
        }
        written.is_ok()
    })?;
    Ok(written.map(|()| records))
}

pub(crate) fn line(key: &[u8], value: &[u8], text: &mut Vec<u8>) {
    escape(key, text);
    text.push(b'\t');
    escape(value, text);
    text.push(b'\n');
}

fn replace(temporary: &Path, dir: &Path) -> Result<(), Fault> {
    fs::rename(temporary, path(dir)).map_err(|error| Fault::io(temporary, error))?;
    sync(dir)
}

/// The sequence number that the export in `dir` claims, with what is behind it.
pub(crate) fn sequence(dir: &Path) -> Option<u64> {
    base(dir).map(|seq| more::read(dir, seq).seq)
}

/// The sequence number that the header of the export in `dir` claims.
fn base(dir: &Path) -> Option<u64> {
    let mut input = BufReader::with_capacity(64, File::open(path(dir)).ok()?).take(64);
    let mut header = Vec::new();
    input.read_until(b'\n', &mut header).ok()?;
    parse_header(header.strip_suffix(b"\n")?)
}

fn parse_header(header: &[u8]) -> Option<u64> {
    let header = std::str::from_utf8(header).ok()?;
    header.strip_prefix(MAGIC)?.strip_prefix(' ')?.parse().ok()
}

/// Whether the export in `dir` is whole, and the sequence number that it leads to with what is
/// behind it; `each` sees every record, also those before a damaged line.
///
/// # Errors
/// NotFound (as [`Fault::Io`]) where there is none, [`Fault::Damaged`], and what `each` returns.
pub(crate) fn read(
    dir: &Path,
    each: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    let path = path(dir);
    let file = File::open(&path).map_err(|error| Fault::io(&path, error))?;
    let mut reader = Lines { input: BufReader::new(file), sum: crc32fast::Hasher::new(), path };
    let header = reader.next()?;
    let seq = parse_header(&header).ok_or_else(|| reader.damaged("its header"))?;
    let more = more::read(dir, seq);
    let mut records = 0u64;
    loop {
        let sum = reader.sum.clone().finalize();
        let line = reader.next()?;
        if line == format!("end {records} {sum:08x}").as_bytes() {
            reader.end()?;
            break;
        }
        let (key, value) =
            record(&line).ok_or_else(|| reader.damaged(&format!("line {}", records + 2)))?;
        if !more.changes.contains_key(&key) {
            each(key, value)?;
        }
        records += 1;
    }
    let changed = more.changes.into_iter();
    let mut changed = changed.filter_map(|(key, value)| Some((key, value?)));
    changed.try_for_each(|(key, value)| each(key, value))?;
    Ok(more.seq)
}

struct Lines {
    input: BufReader<File>,
    sum: crc32fast::Hasher,
    path: PathBuf,
}

impl Lines {
    /// The next line without its end, counted into the sum.
    fn next(&mut self) -> Result<Vec<u8>, Fault> {
        let mut line = Vec::new();
        let read = (&mut self.input).take(MAX_LINE).read_until(b'\n', &mut line);
        read.map_err(|error| Fault::io(&self.path, error))?;
        self.sum.update(&line);
        match line.pop() {
            Some(b'\n') => Ok(line),
            _ => Err(self.damaged("it ends too early")),
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.input.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(self.damaged("something follows its end")),
            Err(error) => Err(Fault::io(&self.path, error)),
        }
    }

    fn damaged(&self, what: &str) -> Fault {
        Fault::Damaged(format!("the export {}: {what}", self.path.display()))
    }
}

pub(crate) fn record(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let tab = line.iter().position(|&byte| byte == b'\t')?;
    Some((unescape(&line[..tab])?, unescape(&line[tab + 1..])?))
}

fn escape(bytes: &[u8], text: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        match byte {
            b' '..=b'[' | b']'..=b'~' => text.push(byte),
            _ => {
                text.extend([b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]])
            }
        }
    }
}

fn unescape(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        text = rest;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let [b'x', high, low, rest @ ..] = text else { return None };
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        text = rest;
    }
    Some(bytes)
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).map(|digit| digit as u8)
}

/// A writer that sums what passes.
struct Summed<W> {
    inner: W,
    sum: crc32fast::Hasher,
}

impl<W: Write> Summed<W> {
    fn new(inner: W) -> Self {
        Self { inner, sum: crc32fast::Hasher::new() }
    }
}

impl Summed<BufWriter<File>> {
    /// Writes the last line and makes the file durable.
    fn finish(mut self, records: u64) -> io::Result<()> {
        let sum = self.sum.finalize();
        writeln!(self.inner, "end {records} {sum:08x}")?;
        self.inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_escaping_and_stays_on_its_line() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        escape(&all, &mut text);
        assert!(text.iter().all(|byte| matches!(byte, b' '..=b'~')));
        assert_eq!(unescape(&text).unwrap(), all);
    }

    #[test]
    fn a_broken_escape_is_refused() {
        for text in ["\\", "\\x", "\\x1", "\\xg0", "\\n", "\\x1\\x22"] {
            assert!(unescape(text.as_bytes()).is_none(), "{text}");
        }
    }
}
