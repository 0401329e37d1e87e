//! What a content store is opened with: its directory and its limits.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use varve_core::Result;
use varve_core::config::{DAY, lasts, seconds, within};
use varve_core::oci::Bounds;

/// How a content store is opened: `[store]` of a configuration, where durations are seconds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Config {
    /// The store's root; made where there is none. One process at a time owns it.
    #[serde(skip)]
    pub dir: PathBuf,
    /// An ingest that nobody wrote to for longer, and that no lease holds, is collected.
    #[serde(deserialize_with = "seconds")]
    pub idle_ingest: Duration,
    /// How long a follower waits while nothing moves.
    #[serde(deserialize_with = "seconds")]
    pub stall_limit: Duration,
    /// Most writers open at once; each has a thread and at most 1 MiB of bytes in flight.
    pub max_writers: usize,
    /// How long nothing is collected after the metadata had to be rebuilt.
    #[serde(deserialize_with = "seconds")]
    pub quiet_after_rebuild: Duration,
    /// How long a collection waits for a snapshotter.
    #[serde(deserialize_with = "seconds")]
    pub attendee_limit: Duration,
    /// What is read of images, which has a table of its own.
    #[serde(skip)]
    pub images: Bounds,
}

varve_core::checked_when_read!(Config);

impl Config {
    /// The defaults, in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), ..Self::default() }
    }

    /// Refuses values that bound nothing, or all.
    ///
    /// # Errors
    /// InvalidArgument naming the key.
    pub fn check(&self) -> Result<()> {
        within("max_writers", self.max_writers, 1, 65_536)?;
        lasts("stall_limit", self.stall_limit, 0.1, DAY)?;
        lasts("attendee_limit", self.attendee_limit, 0.1, DAY)?;
        lasts("idle_ingest", self.idle_ingest, 0.0, 365.0 * DAY)?;
        lasts("quiet_after_rebuild", self.quiet_after_rebuild, 0.0, 365.0 * DAY)
    }
}

impl Default for Config {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            dir: PathBuf::new(),
            idle_ingest: day,
            stall_limit: Duration::from_secs(300),
            max_writers: 256,
            quiet_after_rebuild: day,
            attendee_limit: Duration::from_secs(600),
            images: Bounds::default(),
        }
    }
}
