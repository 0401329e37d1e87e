//! A bounded pipe of recycled buffers between the threads of an apply.
//!
//! A few buffers go round and none is allocated after the start, so memory does not depend on the
//! layer. The reader ends cleanly only when the writer *said* that the stream was good to its end;
//! a writer that goes away gives an error, so a cut-off stream never looks whole.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Weak};

use bytes::{Buf, Bytes};

/// Bytes of one buffer.
const BUFFER: usize = 256 << 10;
/// Buffers that go round: 1.5 MiB a layer.
const BUFFERS: usize = 6;

enum Message {
    Filled(Bytes),
    End,
}

/// One buffer and how much of it holds bytes. It goes back where it came from once nobody looks at it
/// any more.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    home: Sender<Box<[u8]>>,
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

    /// What it holds, to be looked at by several threads.
    pub(super) fn share(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // A writer that is done wants no buffer back.
        let _ = self.home.send(std::mem::take(&mut self.bytes));
    }
}

/// The reader went away; whoever it was knows why.
#[derive(Debug)]
pub(super) struct Stopped;

pub(super) struct PipeWriter {
    full: SyncSender<Message>,
    empty: Receiver<Box<[u8]>>,
    /// Where its buffers come back to, as long as somebody reads.
    home: Weak<Sender<Box<[u8]>>>,
}

impl PipeWriter {
    /// An empty buffer; waits until the reader gives one back.
    pub(super) fn buffer(&self) -> Result<Buffer, Stopped> {
        let bytes = self.empty.recv().map_err(|_| Stopped)?;
        let home = self.home.upgrade().ok_or(Stopped)?;
        Ok(Buffer { bytes, filled: 0, home: Sender::clone(&home) })
    }

    pub(super) fn send(&self, bytes: Bytes) -> Result<(), Stopped> {
        self.full.send(Message::Filled(bytes)).map_err(|_| Stopped)
    }

    /// The stream was good to its last byte.
    pub(super) fn end(self) -> Result<(), Stopped> {
        self.full.send(Message::End).map_err(|_| Stopped)
    }
}

pub(super) struct PipeReader {
    full: Receiver<Message>,
    _home: Arc<Sender<Box<[u8]>>>,
    current: Bytes,
    ended: bool,
}

/// A pipe.
pub(super) fn pipe() -> (PipeWriter, PipeReader) {
    let (full, filled) = sync_channel(BUFFERS + 1);
    let (empty, emptied) = channel();
    for _ in 0..BUFFERS {
        let bytes = vec![0; BUFFER].into_boxed_slice();
        empty.send(bytes).expect("the receiver is in scope");
    }
    let home = Arc::new(empty);
    let writer = PipeWriter { full, empty: emptied, home: Arc::downgrade(&home) };
    (writer, PipeReader { full: filled, _home: home, current: Bytes::new(), ended: false })
}

impl PipeReader {
    fn advance(&mut self) -> io::Result<()> {
        // Lets go of the last one before it waits for the next.
        self.current = Bytes::new();
        match self.full.recv() {
            Ok(Message::Filled(bytes)) => self.current = bytes,
            Ok(Message::End) => self.ended = true,
            Err(_) => return Err(io::Error::other("the stream broke off")),
        }
        Ok(())
    }
}

impl BufRead for PipeReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() && !self.ended {
            self.advance()?;
        }
        Ok(&self.current)
    }

    fn consume(&mut self, len: usize) {
        self.current.advance(len);
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
                    writer.send(buffer.share()).unwrap();
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
        assert!(writer.send(buffer.share()).is_err());
    }
}
