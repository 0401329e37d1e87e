//! A thread that fills files: it writes what the parsing thread has made, sets the times, closes.
//!
//! Half of what a file costs is making it, the other half filling it; one large layer gets a core for
//! each. Only what needs nothing else is filled here: whatever needs an owner, a mode or an xattr must
//! have it after its bytes (a write takes setuid and file capabilities away), and is filled in place.
//! Names are the parsing thread's alone: what it links, replaces or removes meanwhile concerns names,
//! and a descriptor stays good.

use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use bytes::Bytes;
use rustix::fs::{self, Timestamps};

use super::super::{ApplyError, TreePath};
use super::content::write_all;
use super::failed;

/// Files that are handed over together: to wake a thread costs as much as a small write.
const BATCH: usize = 16;
/// How much of the stream a batch may span while it gathers. What it keeps are the pipe's buffers, of
/// which there are few: with all of them in a batch nobody would ever get another byte.
const SPAN: u64 = 128 << 10;
/// Batches that may wait; they go on whatever the parser waits for.
const WAITING: usize = 2;

/// A file that was made and has no bytes yet.
pub(super) struct Made {
    pub fd: OwnedFd,
    pub path: TreePath,
}

/// The next bytes of a file, and its times where they are the last.
struct Job {
    file: Arc<Made>,
    bytes: Bytes,
    last: Option<Timestamps>,
}

/// The parsing thread's end of the queue.
#[derive(Default)]
pub(super) struct Filler {
    batch: Vec<Job>,
    /// Where in the stream the batch begins.
    begins: u64,
    running: Option<Running>,
}

struct Running {
    queue: SyncSender<Vec<Job>>,
    thread: JoinHandle<Result<(), ApplyError>>,
}

impl Filler {
    /// Writes `bytes`, which end at `offset` of the stream, behind those that came before; with
    /// `last`, the file has all.
    ///
    /// # Errors
    /// Why an earlier file could not be filled.
    pub(super) fn fill(
        &mut self,
        file: &Arc<Made>,
        offset: u64,
        bytes: Bytes,
        last: Option<Timestamps>,
    ) -> Result<(), ApplyError> {
        if self.batch.is_empty() {
            self.begins = offset - bytes.len() as u64;
        }
        self.batch.push(Job { file: Arc::clone(file), bytes, last });
        if self.batch.len() < BATCH { self.reach(offset) } else { self.flush() }
    }

    /// The parser has come to `offset`.
    pub(super) fn reach(&mut self, offset: u64) -> Result<(), ApplyError> {
        if offset.saturating_sub(self.begins) < SPAN { Ok(()) } else { self.flush() }
    }

    /// Returns once every file is filled.
    pub(super) fn finish(&mut self) -> Result<(), ApplyError> {
        self.flush()?;
        self.join()
    }

    /// Hands over what has gathered.
    fn flush(&mut self) -> Result<(), ApplyError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        if self.running()?.queue.send(batch).is_ok() {
            return Ok(());
        }
        // It stopped; its own error says why.
        self.join()?;
        Err(ApplyError::Panicked("the thread that fills files stopped".into()))
    }

    fn running(&mut self) -> Result<&Running, ApplyError> {
        if self.running.is_none() {
            let (queue, jobs) = sync_channel(WAITING);
            let thread = Builder::new()
                .name("varve-fill".into())
                .spawn(move || work(jobs))
                .map_err(|error| ApplyError::Panicked(format!("cannot start a thread: {error}")))?;
            self.running = Some(Running { queue, thread });
        }
        Ok(self.running.as_ref().expect("it was just started"))
    }

    fn join(&mut self) -> Result<(), ApplyError> {
        let Some(Running { queue, thread }) = self.running.take() else { return Ok(()) };
        drop(queue);
        thread.join().unwrap_or_else(|payload| Err(ApplyError::panicked(payload)))
    }
}

impl Drop for Filler {
    /// Nothing is written any more once the sink is gone.
    fn drop(&mut self) {
        self.batch.clear();
        let _ = self.join();
    }
}

fn work(jobs: Receiver<Vec<Job>>) -> Result<(), ApplyError> {
    let fill = || jobs.iter().flatten().try_for_each(|job| fill(&job));
    catch_unwind(AssertUnwindSafe(fill))
        .unwrap_or_else(|payload| Err(ApplyError::panicked(payload)))
}

fn fill(job: &Job) -> Result<(), ApplyError> {
    let Made { fd, path } = &*job.file;
    write_all(fd, &job.bytes, path)?;
    match &job.last {
        Some(times) => fs::futimens(fd, times).map_err(failed("setting the times of", path)),
        None => Ok(()),
    }
}
