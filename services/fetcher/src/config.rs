//! Limits of fetching. Those of talking to registries are the registry client's.

use serde::Deserialize;
use varve_core::Result;
use varve_core::config::within;

/// How bytes are handed to the content store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of a blob that are gathered before they are written. Memory is this much for each blob
    /// under way, and the registry client's limit per host says how many these are.
    pub batch: usize,
}

varve_core::checked_when_read!(Config);

impl Config {
    /// Refuses values that bound nothing, or all.
    ///
    /// # Errors
    /// InvalidArgument naming the key.
    pub fn check(&self) -> Result<()> {
        within("batch", self.batch, 4 << 10, 16 << 20)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { batch: 256 << 10 }
    }
}
