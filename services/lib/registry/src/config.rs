//! Every limit of the client, with a default that suits an ordinary machine.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use varve_core::Result;
use varve_core::config::{DAY, lasts, seconds, within};
use varve_core::oci::Bounds;

/// Ours, and then what is there already on a machine that had another engine before.
const HOSTS_DIRS: [&str; 3] =
    ["/etc/varve/certs.d", "/etc/containerd/certs.d", "/etc/docker/certs.d"];

/// Limits of a [`crate::Client`], and where hosts are configured. Durations are seconds in a file, fractions allowed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Config {
    /// Failures in a row, without progress, until a request is given up.
    pub attempts: u32,
    /// Time since the last progress until a request is given up.
    #[serde(deserialize_with = "seconds")]
    pub patience: Duration,
    /// The first back-off is a random part of this; it doubles from failure to failure.
    #[serde(deserialize_with = "seconds")]
    pub backoff: Duration,
    /// No back-off is longer, unless the registry itself names a time (Retry-After).
    #[serde(deserialize_with = "seconds")]
    pub backoff_max: Duration,
    /// Until a TCP and TLS connection stands.
    #[serde(deserialize_with = "seconds")]
    pub connect_timeout: Duration,
    /// The same for a mirror with another host behind it, where its hosts.toml has no dial_timeout.
    #[serde(deserialize_with = "seconds")]
    pub mirror_connect_timeout: Duration,
    /// So long a mirror that could not be connected to is not asked.
    #[serde(deserialize_with = "seconds")]
    pub mirror_pause: Duration,
    /// Where hosts are configured, as containerd and Docker do it: the first directory that has one
    /// for a registry decides, and only then the first that has a `_default`.
    pub hosts_dirs: Vec<PathBuf>,
    /// Less than a kibibyte in this time ends a request (and it is tried again).
    #[serde(deserialize_with = "seconds")]
    pub stall: Duration,
    /// Until a registry has answered to all of what was sent to it: it may hash a blob, or copy it,
    /// before it does.
    #[serde(deserialize_with = "seconds")]
    pub settle: Duration,
    /// Until the whole of a document (a manifest, a token, a page of a list) has come.
    #[serde(deserialize_with = "seconds")]
    pub document: Duration,
    /// Bytes of a blob that are sent at once. A registry that wants more of it, or all, gets it; one
    /// that takes less, less.
    pub upload_chunk: u64,
    /// Requests under way at once to one host, bodies included.
    pub per_host: usize,
    /// Pages of a tag list that are read.
    pub tag_pages: usize,
    /// Tags of a repository that are read.
    pub tags: usize,
    /// Those of documents, which have a table of their own.
    #[serde(skip)]
    pub images: Bounds,
}

varve_core::checked_when_read!(Config);

impl Default for Config {
    fn default() -> Self {
        Self {
            attempts: 6,
            patience: Duration::from_secs(300),
            backoff: Duration::from_millis(250),
            backoff_max: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(15),
            mirror_connect_timeout: Duration::from_secs(5),
            mirror_pause: Duration::from_secs(60),
            hosts_dirs: HOSTS_DIRS.map(PathBuf::from).to_vec(),
            stall: Duration::from_secs(30),
            settle: Duration::from_secs(300),
            document: Duration::from_secs(300),
            upload_chunk: 64 << 20,
            per_host: 6,
            tag_pages: 1000,
            tags: 100_000,
            images: Bounds::default(),
        }
    }
}

impl Config {
    /// Refuses values that bound nothing, or all.
    ///
    /// # Errors
    /// InvalidArgument naming the key.
    pub fn check(&self) -> Result<()> {
        within("attempts", self.attempts, 1, 1000)?;
        within("per_host", self.per_host, 1, 1000)?;
        within("tag_pages", self.tag_pages, 1, 1_000_000)?;
        within("tags", self.tags, 1, 10_000_000)?;
        within("upload_chunk", self.upload_chunk, 1 << 20, 1 << 40)?;
        for (name, value) in [
            ("patience", self.patience),
            ("connect_timeout", self.connect_timeout),
            ("mirror_connect_timeout", self.mirror_connect_timeout),
            ("stall", self.stall),
            ("settle", self.settle),
            ("document", self.document),
        ] {
            lasts(name, value, 0.1, DAY)?;
        }
        lasts("backoff", self.backoff, 0.0, DAY)?;
        lasts("backoff_max", self.backoff_max, 0.0, DAY)?;
        lasts("mirror_pause", self.mirror_pause, 0.0, DAY)
    }

    /// Short waits, so that a test of a fault takes no seconds, and nothing of the machine's own
    /// hosts.
    #[cfg(any(test, feature = "testsuite"))]
    pub fn impatient() -> Self {
        Self {
            attempts: 4,
            patience: Duration::from_secs(10),
            backoff: Duration::from_millis(5),
            backoff_max: Duration::from_millis(20),
            connect_timeout: Duration::from_secs(2),
            hosts_dirs: Vec::new(),
            stall: Duration::from_millis(800),
            settle: Duration::from_secs(3),
            document: Duration::from_secs(3),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_sets_seconds_and_keeps_the_other_defaults() {
        let config: Config = serde_json::from_str(r#"{"stall": 1.5, "attempts": 2}"#).unwrap();
        assert_eq!((config.stall, config.attempts), (Duration::from_millis(1500), 2));
        assert_eq!(config.per_host, Config::default().per_host);
        assert!(serde_json::from_str::<Config>(r#"{"stall": -1}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"stal": 1}"#).is_err());
        let error = serde_json::from_str::<Config>(r#"{"stall": 0}"#).unwrap_err().to_string();
        assert!(error.starts_with("stall is 0, and must be from 0.1 to 86400"), "{error}");
    }
}
