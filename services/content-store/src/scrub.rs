//! The background scrub: every blob hashed again, slowly, once in a while.
//!
//! Bytes that rot leave no trace but their digest. What is found is marked, so that nobody gets it, and
//! said in the log; to fetch it again is `varve fsck --repair`'s.

use std::time::Duration;

use serde::Deserialize;
use varve_core::fsck::{Depth, Fsck, How};
use varve_core::unpack::Progress;
use varve_core::{Result, Timestamp};

use crate::ContentStore;

/// When the last one ended.
const DONE: &[u8] = b"scrub/done";
/// After one that could not be done.
const AGAIN: Duration = Duration::from_secs(600);

/// How fast, and how often.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scrub {
    /// Most bytes that are read in a second; 0 for as many as it can.
    pub bytes_per_second: u64,
    /// Hours from the end of one to the start of the next; 0 for never.
    pub every_hours: u64,
}

impl Default for Scrub {
    fn default() -> Self {
        Self { bytes_per_second: 16 << 20, every_hours: 7 * 24 }
    }
}

impl ContentStore {
    /// Scrubs again and again. Ends when it is dropped.
    pub async fn scrub(&self, config: Scrub) {
        if config.every_hours == 0 {
            return std::future::pending().await;
        }
        loop {
            match self.scrub_once(config).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "the scrub broke off");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Waits until one is due, and does it.
    async fn scrub_once(&self, Scrub { bytes_per_second, every_hours }: Scrub) -> Result<()> {
        let every = Duration::from_secs(every_hours.saturating_mul(3600));
        tokio::time::sleep(self.until_due(every).await?).await;
        let how = How { depth: Depth::Scrub, repair: false, bytes_per_second };
        let report = self.fsck(how, Progress::ignored()).await?;
        for finding in &report.findings {
            tracing::warn!(
                digest = finding.noun,
                why = finding.what,
                "a blob is damaged: `varve fsck --repair` fetches it again"
            );
        }
        let damaged = report.findings.len() as u64 + report.more;
        tracing::info!(blobs = report.blobs, bytes = report.hashed, damaged, "scrubbed");
        let now = varve_core::time::now().to_string().into_bytes();
        self.store.records.write(move |change| change.put(DONE, now)).await
    }

    async fn until_due(&self, every: Duration) -> Result<Duration> {
        let text = self.store.records.read(|db| db.get(DONE)).await?;
        let done = text.and_then(|text| std::str::from_utf8(&text).ok()?.parse::<Timestamp>().ok());
        let Some(done) = done else { return Ok(Duration::ZERO) };
        let since = varve_core::time::now().duration_since(done);
        // A clock that was set back does not put it off for ever.
        Ok(every.saturating_sub(since.unsigned_abs()))
    }
}
