//! What a monitor and its client say to each other, over a stream socket: a kind, a length, a body.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// Largest body, in bytes: a job has a container's whole environment in it.
const MAX: usize = 16 << 20;

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// To the monitor, first of all: JSON of a [`super::job::Job`].
    Job(Vec<u8>),
    /// The program runs: JSON of a [`Started`].
    Started(Vec<u8>),
    /// It does not: JSON of a [`Refused`]. The last message.
    Refused(Vec<u8>),
    Output(Stream, Vec<u8>),
    /// The program's end, after all of its output. The last message.
    Ended(u8),
    Input(Vec<u8>),
    InputEnd,
    /// The client's terminal has so many rows and columns.
    Resize(u16, u16),
    /// Nobody reads that stream any more.
    Closed(Stream),
    /// To the monitor, of one that waits: it wants the output from now on, and has something to say.
    Attach,
    /// To the monitor, of one that waits: the program is to stand still until this client has gone.
    Pause,
    /// It stands still.
    Paused,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    Stdout,
    Stderr,
}

#[derive(Serialize, Deserialize, Debug)]
pub struct Started {
    pub pid: u32,
    /// See `process::identity`.
    pub identity: String,
}

/// Why a program does not run, and the exit status that says so.
#[derive(Serialize, Deserialize, Debug)]
pub struct Refused {
    pub status: u8,
    pub message: String,
}

impl Stream {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Frame {
    /// Writes it, whole.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, body): (u8, &[u8]) = match self {
            Self::Job(body) => (0, body),
            Self::Started(body) => (1, body),
            Self::Refused(body) => (2, body),
            Self::Output(Stream::Stdout, body) => (3, body),
            Self::Output(Stream::Stderr, body) => (4, body),
            Self::Ended(status) => (5, &[*status]),
            Self::Input(body) => (6, body),
            Self::InputEnd => (7, &[]),
            Self::Resize(rows, columns) => {
                let (r, c) = (rows.to_be_bytes(), columns.to_be_bytes());
                return write(to, 8, &[r[0], r[1], c[0], c[1]]);
            }
            Self::Closed(Stream::Stdout) => (9, &[]),
            Self::Closed(Stream::Stderr) => (10, &[]),
            Self::Attach => (11, &[]),
            Self::Pause => (12, &[]),
            Self::Paused => (13, &[]),
        };
        write(to, kind, body)
    }

    /// Reads the next one; `None` where the other side has gone.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 5];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX {
            return Err(io::Error::other("a message is too long"));
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Self::decode(kind, body).map(Some)
    }

    fn decode(kind: u8, body: Vec<u8>) -> io::Result<Self> {
        Ok(match (kind, &body[..]) {
            (0, _) => Self::Job(body),
            (1, _) => Self::Started(body),
            (2, _) => Self::Refused(body),
            (3, _) => Self::Output(Stream::Stdout, body),
            (4, _) => Self::Output(Stream::Stderr, body),
            (5, [status]) => Self::Ended(*status),
            (6, _) => Self::Input(body),
            (7, []) => Self::InputEnd,
            (8, [a, b, c, d]) => {
                Self::Resize(u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
            }
            (9, []) => Self::Closed(Stream::Stdout),
            (10, []) => Self::Closed(Stream::Stderr),
            (11, []) => Self::Attach,
            (12, []) => Self::Pause,
            (13, []) => Self::Paused,
            _ => return Err(io::Error::other(format!("a message of kind {kind} makes no sense"))),
        })
    }
}

fn write(to: &mut impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?.to_be_bytes();
    let head = [kind, length[0], length[1], length[2], length[3]];
    // At once: two writers of one socket never mix their messages.
    to.write_all(&[&head[..], body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_read_as_it_was_written() {
        let all = [
            Frame::Job(vec![1; 70_000]),
            Frame::Started(b"{}".to_vec()),
            Frame::Refused(Vec::new()),
            Frame::Output(Stream::Stdout, b"out".to_vec()),
            Frame::Output(Stream::Stderr, b"err".to_vec()),
            Frame::Ended(255),
            Frame::Input(b"in".to_vec()),
            Frame::InputEnd,
            Frame::Resize(24, 300),
            Frame::Closed(Stream::Stdout),
            Frame::Closed(Stream::Stderr),
            Frame::Attach,
            Frame::Pause,
            Frame::Paused,
        ];
        let mut bytes = Vec::new();
        all.iter().for_each(|frame| frame.write(&mut bytes).unwrap());
        let mut from = &bytes[..];
        for frame in all {
            assert_eq!(Frame::read(&mut from).unwrap(), Some(frame));
        }
        assert_eq!(Frame::read(&mut from).unwrap(), None);
    }

    #[test]
    fn nonsense_is_an_error_and_no_memory() {
        for bad in [&[14, 0, 0, 0, 0][..], &[0, 255, 0, 0, 0], &[5, 0, 0, 0, 2, 1, 1]] {
            assert!(Frame::read(&mut &bad[..]).is_err());
        }
    }
}
