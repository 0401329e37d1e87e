//! Limits of choosing a manifest. Those of talking to registries are the registry client's.

use varve_core::oci::Bounds;

/// What bounds a walk through nested indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// How many indexes, how deep, and how large each may be.
    pub images: Bounds,
}
