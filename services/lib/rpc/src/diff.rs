//! containerd.services.diff.v1: layers applied to mounts, and made of them.

mod client;
mod server;

pub use client::Client;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.diff.v1.Diff";
