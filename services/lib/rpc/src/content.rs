//! containerd.services.content.v1: blobs and ingests; following is varve.content.v1's.

mod beside;
mod client;
mod convert;
mod follower;
mod left;
mod passage;
pub(crate) mod piece;
mod reader;
mod server;
mod write;
mod writer;

pub(crate) use beside::write_beside;
pub use client::Client;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "containerd.services.content.v1.Content";
