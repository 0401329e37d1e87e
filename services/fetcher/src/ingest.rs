//! The blob's place in the content store: known already, or an ingest to write.

use std::time::{Duration, Instant};

use varve_core::content::{Content, OpenWriter, Writer};
use varve_core::remotes::{Event, Fetched, Progress, ingest_ref};
use varve_core::{Descriptor, Error, Kind, Result, ResultExt, Scope};

/// The first wait for a ref that another process holds, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Whether the blob is in this namespace; then the lease has it too.
pub(crate) async fn known(
    content: &dyn Content,
    scope: &Scope,
    blob: &Descriptor,
) -> Result<Option<Fetched>> {
    let Some(info) = content.info(scope, &blob.digest).await.found()? else {
        return Ok(None);
    };
    if info.size != blob.size {
        let (digest, size) = (blob.digest, info.size);
        let says = format!("its manifest says {} bytes", blob.size);
        return Err(Error::precondition(format!("blob {digest}: has {size} bytes, and {says}")));
    }
    if scope.lease.is_some() {
        // Opening a writer for a blob that is here gives it to the lease, and answers just that.
        match content.writer(scope, request(blob)).await {
            Err(error) if error.kind() == Kind::AlreadyExists => {}
            // It was deleted in between, and somebody may be bringing it back.
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == Kind::Unavailable => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Fetched { reused: true, ..Fetched::default() }))
}

/// The writer of the blob's ingest; `None` where the blob is here meanwhile. Waits while another
/// process holds the ref, for as long as that one goes on.
pub(crate) async fn writer(
    content: &dyn Content,
    scope: &Scope,
    blob: &Descriptor,
    progress: &Progress,
    patience: Duration,
) -> Result<Option<Box<dyn Writer>>> {
    let (mut wait, mut since, mut last) = (WAITS.0, Instant::now(), None);
    loop {
        let error = match content.writer(scope, request(blob)).await.unless_exists() {
            Ok(writer) => return Ok(writer),
            Err(error) if error.kind() == Kind::Unavailable => error,
            Err(error) => return Err(error),
        };
        let at = content.status(scope, &ingest_ref(blob)).await.ok().map(|status| status.offset);
        if at != last {
            (last, since, wait) = (at, Instant::now(), WAITS.0);
            progress.tell(Event::At(at.unwrap_or_default()));
        }
        if since.elapsed() >= patience {
            let seconds = patience.as_secs_f64();
            return Err(error.context(format!("nothing moved for {seconds} s; try again later")));
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(WAITS.1);
    }
}

/// Drops what came, because it is wrong. That it cannot be dropped is worth a log line and no more:
/// the store hashes it again before it ever becomes a blob.
pub(crate) async fn abort(content: &dyn Content, scope: &Scope, blob: &Descriptor) {
    if let Err(error) = content.abort(scope, &ingest_ref(blob)).await {
        tracing::warn!(digest = %blob.digest, error = error.chain(), "cannot drop an ingest");
    }
}

fn request(blob: &Descriptor) -> OpenWriter {
    OpenWriter { ingest: ingest_ref(blob), total: blob.size, expected: Some(blob.digest) }
}
