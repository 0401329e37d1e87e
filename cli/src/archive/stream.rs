//! An archive's bytes as they come: from a file or a pipe, and inflated where they are compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, IsTerminal, Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;
use varve_core::oci::Compression;
use varve_core::{Error, Result};
use varve_snapshotter::apply::{Archive, Cancel, Limits, inflated, sniff};

use super::entry::{self, Entry};
use super::intake::Intake;

/// Bytes read at once, and passed on at once.
const CHUNK: usize = 1 << 20;
/// Chunks between the thread that reads and whoever stores.
const AHEAD: usize = 4;
/// The longest magic that [`sniff`] knows.
const MAGIC: u64 = 6;

/// Where an archive is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl Input {
    /// `-` is standard input.
    pub fn of(path: &Path) -> Self {
        match path.as_os_str() == "-" {
            true => Self::Stdin,
            false => Self::Path(path.to_owned()),
        }
    }

    /// What it is called in an error.
    pub fn noun(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Stdin => "standard input".into(),
        }
    }

    /// Opens it for reading. InvalidArgument for a terminal, which nobody means.
    pub fn open(&self) -> Result<Packed> {
        let file = match self {
            Self::Path(path) => File::open(path),
            Self::Stdin if io::stdin().is_terminal() => {
                let message = "requested to read from a terminal; give --input FILE, or redirect";
                return Err(Error::invalid(message));
            }
            Self::Stdin => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        };
        let mut file = file.map_err(|error| Error::io("opening it", error))?;
        let start = file.stream_position().unwrap_or(0);
        let mut head = Vec::new();
        let read = (&mut file).take(MAGIC).read_to_end(&mut head);
        read.map_err(|error| Error::io("reading it", error))?;
        if head.is_empty() {
            return Err(Error::invalid("is empty"));
        }
        let (are, compression) = sniff(&head);
        let compression = compression.ok_or_else(|| {
            Error::invalid(format!("is compressed with {are}; only gzip and zstd are read"))
        })?;
        Ok(Packed { file, start, head, compression })
    }
}

/// An open file, of which the first bytes are read.
pub struct Packed {
    file: File,
    /// Where it stood.
    start: u64,
    head: Vec<u8>,
    pub compression: Compression,
}

impl Packed {
    /// The file, at its start, where it can be read at any place as it is.
    pub fn at_any_place(&self) -> Option<File> {
        let regular = self.start == 0 && self.file.metadata().is_ok_and(|data| data.is_file());
        let mut file = self.file.try_clone().ok().filter(|_| regular)?;
        (self.compression == Compression::None && file.rewind().is_ok()).then_some(file)
    }

    /// The bytes as they are, from the first.
    pub fn raw(self) -> impl Read + Send + 'static {
        Cursor::new(self.head).chain(self.file)
    }

    /// The bytes that they inflate to.
    fn plain(self, limits: &Limits) -> io::Result<impl BufRead + use<>> {
        let compression = self.compression;
        let raw = BufReader::with_capacity(CHUNK, self.raw());
        Ok(BufReader::with_capacity(CHUNK, inflated(compression, raw, limits)?))
    }
}

/// What comes out of a tar stream, in order: an entry, then its bytes.
pub enum Event {
    Entry(Entry),
    Bytes(Bytes),
}

/// The events of a tar stream that a thread reads.
pub struct Events(mpsc::Receiver<Result<Event>>);

impl Events {
    /// Starts reading. The thread ends with the stream, or when nobody listens any more; one that waits
    /// for a pipe does not hold up the end of the process.
    pub fn of(packed: Packed, intake: &Intake) -> Result<Self> {
        let (to, from) = mpsc::channel(AHEAD);
        let (limits, most) = (intake.limits.clone(), intake.bounds.entries);
        let read = move || {
            if let Err(error) = read(packed, &limits, most, &to) {
                let _ = to.blocking_send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("varve-archive".into()).spawn(read);
        thread.map_err(|error| Error::io("starting a thread", error))?;
        Ok(Self(from))
    }

    /// The next one; `None` at the archive's end.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        self.0.recv().await.transpose()
    }
}

fn read(
    packed: Packed,
    limits: &Limits,
    most: usize,
    to: &mpsc::Sender<Result<Event>>,
) -> Result<()> {
    let broken = |error| Error::io("inflating it", error);
    let (cancel, mut seen) = (Cancel::default(), 0);
    let mut archive = Archive::new(packed.plain(limits).map_err(broken)?, limits, &cancel);
    while let Some(entry) = entry::next(&mut archive, &mut seen, most)? {
        if to.blocking_send(Ok(Event::Entry(entry))).is_err() {
            return Ok(());
        }
        // A link has no bytes, and an empty chunk is their end.
        loop {
            let mut chunk = Vec::new();
            let read = archive.body().take(CHUNK as u64).read_to_end(&mut chunk);
            read.map_err(cut)?;
            if chunk.is_empty() {
                break;
            }
            if to.blocking_send(Ok(Event::Bytes(chunk.into()))).is_err() {
                return Ok(());
            }
        }
    }
    // A checksum of the compression may stand behind the archive's end.
    archive.drain().map_err(entry::malformed)
}

/// What reading a body met.
fn cut(error: io::Error) -> Error {
    match error.downcast() {
        Ok(malformed) => entry::malformed(malformed),
        Err(error) => Error::invalid("cannot be read to its end").with_source(error),
    }
}
