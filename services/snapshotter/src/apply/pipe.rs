//! A bounded pipe of recycled buffers between the two threads of an apply.
//!
//! A few buffers go round and none is allocated after the start, so memory does not depend on the
//! layer. The reader ends cleanly only when the writer *said* that the stream was good to its end;
//! a writer that goes away gives an error, so a cut-off stream never looks whole.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// Bytes of one buffer.
const BUFFER: usize = 256 << 10;
/// Buffers that go round: 1.5 MiB a layer.
const BUFFERS: usize = 6;

enum Message {
    Filled(Buffer),
    End,
}

/// One buffer and how much of it holds bytes.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    /// The part that is still free.
    pub(super) fn free(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// Says that the first `len` bytes of what was free now hold bytes.
    pub(super) fn fill(&mut self, len: usize) {
        self.filled = (self.filled + len).min(self.bytes.len());
    }

    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

/// The reader went away; whoever it was knows why.
#[derive(Debug)]
pub(super) struct Stopped;

pub(super) struct PipeWriter {
    full: SyncSender<Message>,
    empty: Receiver<Buffer>,
}

impl PipeWriter {
    /// An empty buffer; waits until the reader gives one back.
    pub(super) fn buffer(&self) -> Result<Buffer, Stopped> {
        let mut buffer = self.empty.recv().map_err(|_| Stopped)?;
        buffer.filled = 0;
        Ok(buffer)
    }

    pub(super) fn send(&self, buffer: Buffer) -> Result<(), Stopped> {
        self.full.send(Message::Filled(buffer)).map_err(|_| Stopped)
    }

    /// The stream was good to its last byte.
    pub(super) fn end(self) -> Result<(), Stopped> {
        self.full.send(Message::End).map_err(|_| Stopped)
    }
}

pub(super) struct PipeReader {
    full: Receiver<Message>,
    empty: Sender<Buffer>,
    current: Option<Buffer>,
    position: usize,
    ended: bool,
}

/// A pipe.
pub(super) fn pipe() -> (PipeWriter, PipeReader) {
    let (full, filled) = sync_channel(BUFFERS + 1);
    let (empty, emptied) = channel();
    for _ in 0..BUFFERS {
        let bytes = vec![0; BUFFER].into_boxed_slice();
        empty.send(Buffer { bytes, filled: 0 }).expect("the receiver is in scope");
    }
    let reader = PipeReader { full: filled, empty, current: None, position: 0, ended: false };
    (PipeWriter { full, empty: emptied }, reader)
}

impl PipeReader {
    fn advance(&mut self) -> io::Result<()> {
        if let Some(buffer) = self.current.take() {
            // A writer that is done wants no buffer back.
            let _ = self.empty.send(buffer);
        }
        match self.full.recv() {
            Ok(Message::Filled(buffer)) => self.current = Some(buffer),
            Ok(Message::End) => self.ended = true,
            Err(_) => return Err(io::Error::other("the stream broke off")),
        }
        self.position = 0;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.current.as_ref().map_or(&[], |buffer| &buffer.filled()[self.position..])
    }
}

impl BufRead for PipeReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest().is_empty() && !self.ended {
            self.advance()?;
        }
        Ok(self.rest())
    }

    fn consume(&mut self, len: usize) {
        self.position += len;
    }
}

impl Read for PipeReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = self.fill_buf()?;
        let len = rest.len().min(into.len());
        into[..len].copy_from_slice(&rest[..len]);
        self.consume(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_and_buffers_go_round() {
        let (writer, mut reader) = pipe();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for round in 0..50u8 {
                    let mut buffer = writer.buffer().unwrap();
                    buffer.free()[..3].fill(round);
                    buffer.fill(3);
                    writer.send(buffer).unwrap();
                }
                writer.end().unwrap();
            });
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            assert_eq!(all.len(), 150);
            assert_eq!(all[147..], [49; 3]);
        });
    }

    #[test]
    fn a_writer_that_goes_away_is_an_error_and_not_an_end() {
        let (writer, mut reader) = pipe();
        drop(writer);
        assert!(reader.read(&mut [0]).is_err());
    }

    #[test]
    fn a_reader_that_goes_away_stops_the_writer() {
        let (writer, reader) = pipe();
        let buffer = writer.buffer().unwrap();
        drop(reader);
        assert!(writer.send(buffer).is_err());
    }
}
