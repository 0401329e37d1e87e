//! varve.fetcher.v1: descriptors to blobs.

mod client;
mod server;

pub use client::Client;
pub use server::server;

/// As health and reflection name it.
pub const NAME: &str = "varve.fetcher.v1.Fetcher";
