//! From the thread that makes a layer to a writer of the content store, which is async.

use std::io::{self, Write};

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use varve_core::content::Writer;
use varve_core::oci::Compression;
use varve_core::{DiffId, Error, Result};

use super::compress::Compressor;
use super::{Archive, DiffError, Rules, Sides, walk};
use crate::apply::Cancel;
use crate::tree::alone;

/// Bytes of one chunk.
const CHUNK: usize = 256 << 10;
/// Chunks between the thread and the writer.
const CHUNKS: usize = 4;

/// How a layer is written.
pub(super) struct Form {
    pub compression: Compression,
    pub latest: Option<(i64, u32)>,
    pub limits: crate::apply::Limits,
}

/// What was written.
pub(super) struct Poured {
    pub diff_id: DiffId,
    /// Compressed bytes.
    pub size: u64,
}

/// Compares `sides` on a thread of its own, and writes what differs. `held` lives as long as that thread,
/// which ends soon after this future is dropped.
pub(super) async fn pour<H: Send + 'static>(
    sides: Sides,
    form: Form,
    writer: &mut dyn Writer,
    held: H,
) -> Result<Poured> {
    let cancel = CancelOnDrop(Cancel::default());
    let rules = Rules { limits: form.limits.clone(), cancel: cancel.0.clone() };
    let (to, from) = channel(CHUNKS);
    let work = tokio::task::spawn_blocking(move || {
        // Until the trees are let go of, which gives modes back.
        let _alone = alone();
        let made = make(sides, &form, &rules, Pipe { to, filled: Vec::new(), sent: 0 });
        drop(held);
        made
    });
    let written = drain(from, writer).await;
    let made = work.await;
    // Where the store refused the bytes, the thread saw nothing but that nobody reads them.
    written?;
    let made =
        made.map_err(|error| Error::internal("making a layer broke down").with_source(error))?;
    Ok(made?)
}

async fn drain(mut from: Receiver<Bytes>, writer: &mut dyn Writer) -> Result<()> {
    while let Some(bytes) = from.recv().await {
        writer.write(bytes).await?;
    }
    Ok(())
}

fn make(sides: Sides, form: &Form, rules: &Rules, pipe: Pipe) -> Result<Poured, DiffError> {
    let out = Compressor::new(pipe, form.compression, rules.limits.total_bytes);
    let out = out.map_err(DiffError::output)?;
    let mut archive = Archive::new(out, sides.upper.again(), rules.clone(), form.latest);
    walk(sides, rules, &mut |change| archive.add(&change))?;
    let (diff_id, pipe) = archive.finish()?.finish().map_err(DiffError::output)?;
    let size = pipe.finish().map_err(DiffError::output)?;
    Ok(Poured { diff_id, size })
}

struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Cuts what is written into chunks, and waits for room. Fails where nobody reads any more.
struct Pipe {
    to: Sender<Bytes>,
    filled: Vec<u8>,
    sent: u64,
}

impl Pipe {
    fn send(&mut self) -> io::Result<()> {
        let chunk = Bytes::from(std::mem::take(&mut self.filled));
        self.sent += chunk.len() as u64;
        self.to.blocking_send(chunk).map_err(|_| io::Error::other(DiffError::Cancelled))
    }

    /// Sends what is left; answers the bytes in all.
    fn finish(mut self) -> io::Result<u64> {
        if !self.filled.is_empty() {
            self.send()?;
        }
        Ok(self.sent)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filled.capacity() == 0 {
            self.filled.reserve_exact(CHUNK);
        }
        let len = bytes.len().min(CHUNK - self.filled.len());
        self.filled.extend_from_slice(&bytes[..len]);
        if self.filled.len() == CHUNK {
            self.send()?;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
