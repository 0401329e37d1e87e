//! One layer's bytes into a directory: the follower on the async side, the apply engine on its
//! threads, joined so that either can fail, be overtaken, or be given up.

use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use varve_core::content::Follower;
use varve_core::oci::Compression;
use varve_core::unpack::Progress;
use varve_core::{Error, Kind, Result};

use super::feed::{self, Chunks, Feed};
use super::place::Place;
use crate::apply::{self, Applied, ApplyError, Cancel, Limits, Mode, Options};

/// How to extract one layer.
pub(crate) struct Extraction {
    pub compression: Compression,
    pub mode: Mode,
    pub limits: Limits,
    pub progress: Progress,
}

/// A layer whose first bytes are here.
pub(crate) struct Ready {
    feed: Feed,
    chunks: Chunks,
}

/// Waits for the first bytes.
pub(crate) async fn ready(follower: Box<dyn Follower>) -> Result<Ready> {
    let (feed, chunks) = feed::open(follower).await?;
    Ok(Ready { feed, chunks })
}

/// Extracts a layer into `root`, and answers once its distribution digest is verified too. `held`
/// lives as long as the thread does, which may be longer than this future: whatever the thread
/// writes to belongs in there. The permit is given back while nothing comes.
///
/// # Errors
/// Aborted where the ingest was overtaken: what is in `root` means nothing, begin anew.
pub(crate) async fn extract<H: Send + 'static>(
    ready: Ready,
    extraction: Extraction,
    root: OwnedFd,
    held: H,
    permit: OwnedSemaphorePermit,
) -> Result<(Applied, H)> {
    let work = move |chunks, compression, options: &Options| {
        apply::apply(chunks, compression, root, options)
    };
    extract_with(ready, extraction, held, permit, work).await
}

/// The same with other work on the bytes, which runs on a thread that may block.
pub(crate) async fn extract_with<T: Send + 'static, H: Send + 'static>(
    ready: Ready,
    extraction: Extraction,
    held: H,
    permit: OwnedSemaphorePermit,
    work: impl FnOnce(Chunks, Compression, &Options) -> Result<T, ApplyError> + Send + 'static,
) -> Result<(T, H)> {
    let Ready { mut feed, mut chunks } = ready;
    let places = Arc::clone(permit.semaphore());
    let place = Place::default();
    place.take(permit);
    chunks.place = place.clone();
    let cancel = CancelOnDrop(Cancel::default());
    let options = extraction.options(&cancel.0);
    let compression = extraction.compression;
    let mut work = tokio::task::spawn_blocking(move || {
        let applied = work(chunks, compression, &options);
        place.give_back();
        (applied, held)
    });
    let mut fed = pin!(feed.run(&places));
    let (verified, done) = tokio::select! {
        verified = &mut fed => (Some(verified), None),
        done = &mut work => (None, Some(done)),
    };
    let (applied, held) = match done {
        Some(done) => done,
        None => work.await,
    }
    .map_err(|error| Error::internal("the extraction broke down").with_source(error))?;
    let failed = applied.as_ref().err().is_some_and(|error| !judges_bytes(error));
    let verified = match verified {
        Some(verified) => verified,
        // The bytes had nothing to do with it.
        None if failed => Ok(()),
        // Bytes that were refused may have been wrong bytes: the store knows in the end.
        None => fed.await,
    };
    verified?;
    Ok((applied?, held))
}

/// Whether a failure may come from bytes that are not the blob's.
fn judges_bytes(error: &ApplyError) -> bool {
    use ApplyError as E;
    !matches!(
        error,
        E::Cancelled | E::Disk { .. } | E::Reserve { .. } | E::Panicked(_) | E::Source(_)
    )
}

struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Extraction {
    fn options(&self, cancel: &Cancel) -> Options {
        let progress = self.progress.clone();
        let mut options = Options::new(self.mode);
        options.limits = self.limits.clone();
        options.progress = Some(Arc::new(move |bytes| progress.tell(bytes)));
        options.cancel = cancel.clone();
        options
    }
}

/// Whether the same may go well when begun anew.
pub(crate) fn overtaken(error: &Error) -> bool {
    error.kind() == Kind::Aborted
}
