//! varve.snapshots.v1: what the snapshotter does beyond containerd's API.

mod changes;
mod client;
mod server;
mod trees;

pub use client::{Client, Unpacker};
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "varve.snapshots.v1.Unpacker";
