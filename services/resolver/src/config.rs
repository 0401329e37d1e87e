//! Limits of choosing a manifest. Those of talking to registries are the registry client's.

use serde::Deserialize;

/// What bounds a walk through nested indexes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Indexes inside one another that are followed. Real images nest none or one.
    pub depth: usize,
    /// Indexes that are read for one choice.
    pub indexes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { depth: 4, indexes: 64 }
    }
}
