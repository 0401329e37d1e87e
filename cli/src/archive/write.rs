//! Writing an archive: always the same bytes for the same files.
//!
//! Entries are ustar's, with mode 0644, no owner and the time 0; a PAX record says the size of what is larger
//! than eight gigabytes.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use varve_core::{Error, Result};

const BLOCK: usize = 512;
/// The largest size that eleven octal digits tell.
const MAX_OCTAL: u64 = 0o777_7777_7777;
/// Chunks between whoever reads blobs and the thread that writes.
const AHEAD: usize = 4;

/// Where an archive goes.
pub enum Target {
    /// A file that is there only once it is whole.
    File(PathBuf),
    Stdout,
}

/// Bytes on their way to a target, written by a thread of its own.
pub struct Pouring {
    /// Nothing says that all of it has come.
    to: mpsc::Sender<Option<Bytes>>,
    thread: JoinHandle<Result<()>>,
}

impl Pouring {
    pub fn into(target: Target) -> Self {
        let (to, from) = mpsc::channel(AHEAD);
        let thread = tokio::task::spawn_blocking(move || write(target, from));
        Self { to, thread }
    }

    pub async fn bytes(&mut self, bytes: Bytes) -> Result<()> {
        match self.to.send(Some(bytes)).await {
            Ok(()) => Ok(()),
            // The thread has ended, and knows why.
            Err(_) => self.end().await,
        }
    }

    /// Says that this was all, and answers when it is written.
    pub async fn finish(mut self) -> Result<()> {
        // Where nobody takes it, the thread has ended and tells why.
        let _ = self.to.send(None).await;
        self.end().await
    }

    async fn end(&mut self) -> Result<()> {
        let ended = (&mut self.thread).await;
        ended.map_err(|error| Error::internal("writing the archive").with_source(error))?
    }
}

/// An archive that is being written.
pub struct TarWriter {
    to: Pouring,
    /// Bytes of the entry that are still to come.
    left: u64,
    size: u64,
}

impl TarWriter {
    pub fn new(target: Target) -> Self {
        Self { to: Pouring::into(target), left: 0, size: 0 }
    }

    /// A directory; its name ends in a slash.
    pub async fn directory(&mut self, name: &str) -> Result<()> {
        self.begin(name, 0, b'5', 0o755).await
    }

    /// A file of which `size` bytes follow.
    pub async fn file(&mut self, name: &str, size: u64) -> Result<()> {
        if size > MAX_OCTAL {
            let record = record("size", &size.to_string());
            self.begin("pax", record.len() as u64, b'x', 0o644).await?;
            self.bytes(record.into()).await?;
        }
        self.begin(name, size, b'0', 0o644).await
    }

    /// A whole file.
    pub async fn document(&mut self, name: &str, bytes: Bytes) -> Result<()> {
        self.file(name, bytes.len() as u64).await?;
        self.bytes(bytes).await
    }

    /// The next bytes of the file that was begun last.
    pub async fn bytes(&mut self, bytes: Bytes) -> Result<()> {
        let len = bytes.len() as u64;
        self.left = self.left.checked_sub(len).ok_or_else(|| Error::internal("a blob grew"))?;
        self.to.bytes(bytes).await?;
        let padding = self.size.next_multiple_of(BLOCK as u64) - self.size;
        match self.left == 0 && padding > 0 {
            true => self.to.bytes(Bytes::from_static(&[0; BLOCK]).slice(..padding as usize)).await,
            false => Ok(()),
        }
    }

    /// Ends the archive, and answers when all of it is written.
    pub async fn finish(mut self) -> Result<()> {
        self.to.bytes(Bytes::from_static(&[0; 2 * BLOCK])).await?;
        self.to.finish().await
    }

    async fn begin(&mut self, name: &str, size: u64, flag: u8, mode: u32) -> Result<()> {
        if self.left > 0 {
            return Err(Error::internal("an entry began before the last one's end"));
        }
        (self.left, self.size) = (size, size);
        self.to.bytes(header(name, size, flag, mode)?).await
    }
}

fn write(target: Target, from: mpsc::Receiver<Option<Bytes>>) -> Result<()> {
    match target {
        Target::Stdout => pour(from, &mut io::stdout().lock()).map(drop),
        Target::File(path) => write_file(&path, from),
    }
}

/// Beside its place first: what is there stays until the new one is whole. What is no regular file (a pipe,
/// /dev/null) is written to as it is.
fn write_file(path: &Path, from: mpsc::Receiver<Option<Bytes>>) -> Result<()> {
    let failed = |error| Error::io(path.display(), error);
    if path.metadata().is_ok_and(|about| !about.is_file()) {
        let mut file = File::options().write(true).open(path).map_err(failed)?;
        return pour(from, &mut file).map(drop);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let mut file = File::create_new(&beside).map_err(failed)?;
    let whole = pour(from, &mut file).and_then(|whole| match whole {
        true => file.sync_all().and_then(|()| std::fs::rename(&beside, path)).map_err(failed),
        false => Err(Error::new(varve_core::Kind::Cancelled, "the archive was not finished")),
    });
    if whole.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    whole
}

/// Answers whether the archive came to its end.
fn pour(mut from: mpsc::Receiver<Option<Bytes>>, to: &mut dyn Write) -> Result<bool> {
    let failed = |error| Error::io("writing the archive", error);
    while let Some(next) = from.blocking_recv() {
        let Some(bytes) = next else {
            to.flush().map_err(failed)?;
            return Ok(true);
        };
        to.write_all(&bytes).map_err(failed)?;
    }
    Ok(false)
}

/// A header of POSIX.1-1988 (ustar).
fn header(name: &str, size: u64, flag: u8, mode: u32) -> Result<Bytes> {
    let mut block = [0; BLOCK];
    if name.len() > 100 {
        return Err(Error::internal(format!("{name}: a name that ustar cannot hold")));
    }
    block[..name.len()].copy_from_slice(name.as_bytes());
    octal(&mut block[100..107], u64::from(mode));
    octal(&mut block[108..115], 0);
    octal(&mut block[116..123], 0);
    octal(&mut block[124..135], size.min(MAX_OCTAL));
    octal(&mut block[136..147], 0);
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum = block.iter().map(|&byte| u64::from(byte)).sum();
    octal(&mut block[148..154], sum);
    block[154] = 0;
    Ok(Bytes::copy_from_slice(&block))
}

/// As many digits as there is room for.
fn octal(field: &mut [u8], value: u64) {
    let mut rest = value;
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
}

/// A PAX record, whose length counts its own digits.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    format!("{len} {key}={value}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pax_record_counts_its_own_length() {
        assert_eq!(record("size", "8589934592"), b"19 size=8589934592\n");
        let long = record("k", &"v".repeat(95));
        assert!(long.starts_with(b"102 k=v") && long.len() == 102, "{}", long.len());
    }

    #[test]
    fn what_is_larger_than_octal_digits_tell_is_read_with_its_size() {
        let size = MAX_OCTAL + 1;
        let mut bytes = header("pax", 19, b'x', 0o644).unwrap().to_vec();
        bytes.extend(record("size", &size.to_string()));
        bytes.resize(2 * BLOCK, 0);
        bytes.extend(header("blobs/large", size, b'0', 0o644).unwrap());
        let (limits, cancel) = Default::default();
        let mut archive = varve_snapshotter::apply::Archive::new(&bytes[..], &limits, &cancel);
        let member = archive.next().unwrap().unwrap();
        assert_eq!((&member.name[..], member.size), (&b"blobs/large"[..], size));
    }
}
