//! The layer of an import: its bytes are stored as they are, and what they inflate to is hashed on the way.

use std::io::{self, BufReader, Read};

use bytes::Bytes;
use tokio::sync::mpsc;
use varve_core::oci::Compression;
use varve_core::unpack::Layer;
use varve_core::{Descriptor, DiffId, Digest, Error, Hasher, MediaType, Result};
use varve_snapshotter::apply::{Limits, inflated};

use crate::archive::{Intake, Packed, Taking};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;
/// Chunks between the thread that reads and the store.
const AHEAD: usize = 4;

enum Event {
    Bytes(Bytes),
    /// All of it was read; what it inflates to, where that is something else.
    End(Option<DiffId>),
}

/// Takes the layer in.
pub async fn take(packed: Packed, intake: &Intake) -> Result<Layer> {
    let compression = packed.compression;
    let mut events = read(packed, intake.limits.clone())?;
    let taking = intake.begin(0, None).await?;
    let mut taking = taking.ok_or_else(|| Error::internal("a blob of no digest is here"))?;
    let (size, diff_id) = match store(&mut taking, &mut events).await {
        Ok(stored) => stored,
        Err(error) => {
            taking.abort().await;
            return Err(error);
        }
    };
    let digest: Digest = taking.finish().await?;
    let blob = Descriptor::new(MediaType::OciLayer(compression), digest, size);
    Ok(Layer { blob, diff_id: diff_id.unwrap_or(DiffId(digest)), parent: None })
}

type Events = mpsc::Receiver<Result<Event>>;

/// Answers how many bytes there were.
async fn store(taking: &mut Taking, events: &mut Events) -> Result<(u64, Option<DiffId>)> {
    let mut size = 0;
    loop {
        match events.recv().await.transpose()? {
            Some(Event::Bytes(bytes)) => {
                size += bytes.len() as u64;
                taking.write(bytes).await?;
            }
            Some(Event::End(diff_id)) => return Ok((size, diff_id)),
            None => return Err(Error::internal("the thread that reads broke down")),
        }
    }
}

fn read(packed: Packed, limits: Limits) -> Result<Events> {
    let (to, from) = mpsc::channel(AHEAD);
    let compression = packed.compression;
    let read = move || {
        let tee = Tee { raw: packed.raw(), to: to.clone() };
        let end = hash(compression, tee, &limits).map_err(|error| {
            let message = format!("cannot be read to its end as {}", word(compression));
            Error::invalid(message).with_source(error)
        });
        let _ = to.blocking_send(end.map(Event::End));
    };
    let thread = std::thread::Builder::new().name("varve-import".into()).spawn(read);
    thread.map_err(|error| Error::io("starting a thread", error))?;
    Ok(from)
}

fn word(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "a tar",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    }
}

/// Reads all of it. What is not compressed the store hashes.
fn hash(
    compression: Compression,
    tee: Tee<impl Read>,
    limits: &Limits,
) -> io::Result<Option<DiffId>> {
    let raw = BufReader::with_capacity(CHUNK, tee);
    let mut reader = inflated(compression, raw, limits)?;
    if compression == Compression::None {
        return io::copy(&mut reader, &mut io::sink()).map(|_| None);
    }
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(Some(DiffId(hasher.digest()))),
            Ok(len) => hasher.update(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A reader whose bytes go to the store, too.
struct Tee<R> {
    raw: R,
    to: mpsc::Sender<Result<Event>>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.raw.read(into)?;
        if len > 0 {
            let bytes = Bytes::copy_from_slice(&into[..len]);
            let sent = self.to.blocking_send(Ok(Event::Bytes(bytes)));
            sent.map_err(|_| io::Error::other("nobody stores it any more"))?;
        }
        Ok(len)
    }
}
