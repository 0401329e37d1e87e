//! Limits of fetching. Those of talking to registries are the registry client's.

use serde::Deserialize;

/// How bytes are handed to the content store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of a blob that are gathered before they are written. Memory is this much for each blob
    /// under way, and the registry client's limit per host says how many these are.
    pub batch: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { batch: 256 << 10 }
    }
}
