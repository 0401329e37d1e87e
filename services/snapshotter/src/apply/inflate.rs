//! Compressed bytes to tar bytes, bounded and hashed.
//!
//! The first bytes say what the stream is, whatever the media type says: Docker and containerd go by
//! them, and images whose media type is wrong are about. The diff id decides what is right. Gzip may
//! have any number of members, empty ones too, and zstd any number of frames, skippable ones too;
//! what follows the last must be nothing at all. Go's reader refuses zero padding behind a gzip
//! stream and so do we, although gzip(1) lets it pass: an image that only some engines can read is
//! broken.

use std::cell::RefCell;
use std::io::{self, BufReader, Cursor, Read};
use std::rc::Rc;

use varve_core::DiffId;

use super::decode::inflated;
use super::hash::HashThread;
use super::pipe::{PipeWriter, Stopped};
use super::{ApplyError, Cancel, Compression, Options, Progress};

/// Compressed bytes read at once.
const CHUNK: usize = 128 << 10;

/// What the whole stream was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inflated {
    pub diff_id: DiffId,
    pub compressed: u64,
    pub uncompressed: u64,
}

/// Why inflating ended early.
pub(super) enum Failure {
    /// The other thread stopped first and knows why.
    Stopped,
    Apply(ApplyError),
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        Self::Apply(error)
    }
}

/// Inflates all of `source` into `out`.
pub(super) fn inflate(
    source: impl Read,
    compression: Compression,
    out: PipeWriter,
    options: &Options,
) -> Result<Inflated, Failure> {
    let account = Rc::new(RefCell::new(Account::default()));
    let mut feed = Feed::new(source, options, account.clone());
    let head = match read_head(&mut feed) {
        Ok(head) => head,
        Err(error) => return Err(account.borrow_mut().explain(compression, error).into()),
    };
    let compression = found(compression, &head)?;
    let input = BufReader::with_capacity(CHUNK, Cursor::new(head).chain(feed));
    let mut decoder = inflated(compression, input, &options.limits)
        .map_err(|error| ApplyError::Corrupt(compression, error))?;
    let hash = HashThread::start()?;
    let mut uncompressed = 0;
    loop {
        let mut buffer = out.buffer()?;
        // A buffer goes out full or at the end: a body that fits one is written with one call.
        let more = fill(&mut decoder, &mut buffer)
            .map_err(|error| account.borrow_mut().explain(compression, error))?;
        let bytes = buffer.share();
        uncompressed += bytes.len() as u64;
        hash.update(bytes.clone());
        out.send(bytes)?;
        if !more {
            break;
        }
    }
    out.end()?;
    let diff_id = hash.finish()?;
    Ok(Inflated { diff_id, compressed: account.borrow().read, uncompressed })
}

/// Fills `buffer`; says whether there may be more.
fn fill(decoder: &mut dyn Read, buffer: &mut super::pipe::Buffer) -> io::Result<bool> {
    while !buffer.free().is_empty() {
        match decoder.read(buffer.free()) {
            Ok(0) => return Ok(false),
            Ok(len) => buffer.fill(len),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Up to six bytes: what the longest magic takes.
fn read_head(source: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(6);
    source.take(6).read_to_end(&mut head)?;
    Ok(head)
}

/// What the stream's first bytes say that it is. Refused where Varve reads no such thing.
fn found(says: Compression, head: &[u8]) -> Result<Compression, ApplyError> {
    let (are, found) = sniff(head);
    let found = found.ok_or(ApplyError::UnknownCompression { says, are })?;
    if found != says {
        tracing::debug!(?says, are, "a layer's media type is wrong");
    }
    Ok(found)
}

/// What a stream is by its first six bytes, in a word, and as what it can be read.
pub fn sniff(head: &[u8]) -> (&'static str, Option<Compression>) {
    match head {
        [0x1f, 0x8b, ..] => ("gzip", Some(Compression::Gzip)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            ("zstd", Some(Compression::Zstd))
        }
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..] => ("bzip2", None),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => ("xz", None),
        _ => ("neither gzip nor zstd", Some(Compression::None)),
    }
}

/// What the feed has seen, kept where both it and the loop around the decoder can look.
#[derive(Default)]
struct Account {
    read: u64,
    /// Why the feed failed, which a decoder would only wrap.
    failure: Option<ApplyError>,
}

impl Account {
    /// An error of the decoder is the feed's where the feed failed, or tells of a limit.
    fn explain(&mut self, compression: Compression, error: io::Error) -> ApplyError {
        if let Some(failure) = self.failure.take() {
            return failure;
        }
        error.downcast::<ApplyError>().unwrap_or_else(|error| match compression {
            Compression::None => ApplyError::Source(error),
            _ => ApplyError::Corrupt(compression, error),
        })
    }
}

/// The source, counted, reported and cancellable.
struct Feed<R> {
    source: R,
    account: Rc<RefCell<Account>>,
    progress: Option<Progress>,
    cancel: Cancel,
}

impl<R: Read> Feed<R> {
    fn new(source: R, options: &Options, account: Rc<RefCell<Account>>) -> Self {
        let (progress, cancel) = (options.progress.clone(), options.cancel.clone());
        Self { source, account, progress, cancel }
    }

    fn fail(&self, error: ApplyError) -> io::Error {
        self.account.borrow_mut().failure = Some(error);
        io::Error::other("the source failed")
    }
}

impl<R: Read> Read for Feed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(|error| self.fail(error))?;
        let len = match self.source.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.fail(ApplyError::Source(error))),
            Ok(len) => len,
        };
        let read = {
            let mut account = self.account.borrow_mut();
            account.read += len as u64;
            account.read
        };
        if let Some(progress) = &self.progress {
            progress(read);
        }
        Ok(len)
    }
}
