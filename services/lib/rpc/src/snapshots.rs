//! containerd.services.snapshots.v1: the graph of snapshots.

mod client;
mod convert;
mod server;

pub use client::Client;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.snapshots.v1.Snapshots";
