//! What a content store is opened with: its directory and its limits.

use std::path::PathBuf;
use std::time::Duration;

/// How a content store is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store's root; made where there is none. One process at a time owns it.
    pub dir: PathBuf,
    /// An ingest that nobody wrote to for longer, and that no lease holds, is collected.
    pub idle_ingest: Duration,
    /// How long a follower waits while nothing moves.
    pub stall_limit: Duration,
    /// Most writers open at once; each has a thread and at most 1 MiB of bytes in flight.
    pub max_writers: usize,
    /// How long nothing is collected after the metadata had to be rebuilt.
    pub quiet_after_rebuild: Duration,
    /// How long a collection waits for a snapshotter.
    pub attendee_limit: Duration,
}

impl Config {
    /// The defaults, in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            dir: dir.into(),
            idle_ingest: day,
            stall_limit: Duration::from_secs(300),
            max_writers: 256,
            quiet_after_rebuild: day,
            attendee_limit: Duration::from_secs(600),
        }
    }
}
