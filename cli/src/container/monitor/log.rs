//! The log of a container: a JSON object a line, `{"log":"…","stream":"stdout","time":"…"}`, which is the
//! form of Docker's json-file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use varve_core::{Error, Result, Timestamp};

use crate::container::wire::Stream;

/// A line that is longer is written in pieces of this, in bytes.
const PIECE: usize = 16 << 10;

/// One line, or a piece of one: then it has no newline at its end.
#[derive(Serialize, Deserialize, PartialEq, Eq, Debug)]
pub struct Entry {
    pub log: String,
    pub stream: String,
    pub time: Timestamp,
}

/// A file that entries are added to.
pub struct Log {
    file: File,
    /// What came of a line whose end did not come yet.
    begun: [Vec<u8>; 2],
    broken: bool,
}

impl Log {
    /// Opens the file, or makes one that is closed to others.
    pub fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(|error| Error::io(path.display(), error))?;
        Ok(Self { file, begun: Default::default(), broken: false })
    }

    /// Adds what a stream brought.
    pub fn add(&mut self, stream: Stream, bytes: &[u8]) {
        let mut begun = std::mem::take(self.of(stream));
        let mut text = String::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || begun.len() >= PIECE {
                text += &line(stream, &begun);
                begun.clear();
            }
        }
        *self.of(stream) = begun;
        self.write(&text);
    }

    /// Writes what a stream ended with, if that was no whole line.
    pub fn end(&mut self, stream: Stream) {
        let begun = std::mem::take(self.of(stream));
        if !begun.is_empty() {
            let text = line(stream, &begun);
            self.write(&text);
        }
    }

    fn of(&mut self, stream: Stream) -> &mut Vec<u8> {
        &mut self.begun[stream as usize]
    }

    /// A full disk is no reason to hold up the program: it is told of once.
    fn write(&mut self, text: &str) {
        let written = self.file.write_all(text.as_bytes());
        if let (Err(error), false) = (written, self.broken) {
            let _ = writeln!(io::stderr(), "the log is not written any more: {error}");
            self.broken = true;
        }
    }
}

fn line(stream: Stream, bytes: &[u8]) -> String {
    let log = String::from_utf8_lossy(bytes).into_owned();
    let entry = Entry { log, stream: stream.as_str().into(), time: varve_core::time::now() };
    let text = serde_json::to_string(&entry).expect("strings are always printable as JSON");
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_whatever_pieces_they_come_in() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = Log::open(file.path()).unwrap();
        log.add(Stream::Stdout, b"one\ntw");
        log.add(Stream::Stderr, b"other\n");
        log.add(Stream::Stdout, b"o\nthree");
        log.end(Stream::Stdout);
        log.end(Stream::Stderr);
        let text = std::fs::read_to_string(file.path()).unwrap();
        let entries: Vec<Entry> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told: Vec<_> =
            entries.iter().map(|entry| (entry.stream.as_str(), entry.log.as_str())).collect();
        let want =
            [("stdout", "one\n"), ("stderr", "other\n"), ("stdout", "two\n"), ("stdout", "three")];
        assert_eq!(told, want);
    }

    #[test]
    fn a_line_without_an_end_is_written_in_pieces() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = Log::open(file.path()).unwrap();
        (0..40).for_each(|_| log.add(Stream::Stdout, &[b'x'; 1000]));
        log.end(Stream::Stdout);
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text.lines().count(), 3);
    }
}
