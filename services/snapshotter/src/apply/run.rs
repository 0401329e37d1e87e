//! One layer through its threads.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, scope};

use super::check::Checker;
use super::inflate::{Failure, Inflated, inflate};
use super::pipe::{PipeReader, pipe};
use super::tar::Archive;
use super::{Applied, ApplyError, Compression, Notices, Options, Root, Sink, Stream, TreeSink};

/// Applies the layer that `source` gives into the directory `root`.
///
/// Blocks; run it off the async threads. Nothing of what it made is removed on failure.
pub fn apply(
    source: impl Read + Send,
    compression: Compression,
    root: Root,
    options: &Options,
) -> Result<Applied, ApplyError> {
    let sink = TreeSink::new(root, options)?;
    let (stream, notices, mut tree) = apply_to(source, compression, sink, options)?;
    tree.notices.merge(notices);
    Ok(Applied { stream, tree })
}

/// The same into any sink.
pub fn apply_to<S: Sink>(
    source: impl Read + Send,
    compression: Compression,
    sink: S,
    options: &Options,
) -> Result<(Stream, Notices, S::Output), ApplyError> {
    let (writer, reader) = pipe();
    scope(|scope| {
        let inflating = Builder::new()
            .name("varve-inflate".into())
            .spawn_scoped(scope, move || inflate(source, compression, writer, options))
            .map_err(|error| ApplyError::Panicked(format!("cannot start a thread: {error}")))?;
        // The reader goes with the closure, panic or not, so the other thread cannot wait for it.
        let laid = catch_unwind(AssertUnwindSafe(|| lay(reader, sink, options)))
            .unwrap_or_else(|payload| Err(ApplyError::panicked(payload)));
        let inflated = match inflating.join() {
            Ok(result) => result,
            Err(payload) => Err(Failure::Apply(ApplyError::panicked(payload))),
        };
        settle(inflated, laid)
    })
}

/// What the parsing thread has at its end.
struct Laid<T> {
    entries: u64,
    notices: Notices,
    output: T,
}

/// Parses and lays down all entries, then reads to the end of the stream.
fn lay<S: Sink>(
    reader: PipeReader,
    mut sink: S,
    options: &Options,
) -> Result<Laid<S::Output>, ApplyError> {
    let mut archive = Archive::new(reader, &options.limits, &options.cancel);
    let mut checker = Checker::new(&options.limits);
    let mut entries = 0;
    while let Some(member) = archive.next()? {
        entries += 1;
        if entries > options.limits.entries {
            return Err(ApplyError::limit("entries", "more entries", options.limits.entries));
        }
        if let Some(entry) = checker.check(member)? {
            sink.entry(&entry, &mut archive.body())?;
        }
    }
    archive.drain()?;
    Ok(Laid { entries, notices: checker.notices, output: sink.finish()? })
}

/// The cause is with the thread that failed first: the other only saw the pipe close.
fn settle<T>(
    inflated: Result<Inflated, Failure>,
    laid: Result<Laid<T>, ApplyError>,
) -> Result<(Stream, Notices, T), ApplyError> {
    match (inflated, laid) {
        (Err(Failure::Apply(error)), _) | (_, Err(error)) => Err(error),
        (Err(Failure::Stopped), Ok(_)) => {
            Err(ApplyError::Panicked("the parser stopped before the stream's end".into()))
        }
        (Ok(inflated), Ok(laid)) => {
            let Inflated { diff_id, compressed, uncompressed } = inflated;
            let stream = Stream { diff_id, compressed, uncompressed, entries: laid.entries };
            Ok((stream, laid.notices, laid.output))
        }
    }
}
